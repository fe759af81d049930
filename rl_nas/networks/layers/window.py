"""Shapes around convolutions and pooling."""

import math
from typing import Literal

from rl_nas.networks.layer import Shape

Pair = tuple[int, int]
"""Of rows and columns, such as a kernel's height and width."""

Padding = Literal["same", "valid"]


def window_size(shape: Shape, size: Pair, strides: Pair, padding: Padding, dilation: int = 1) -> Pair:
    """The number of places of a sliding window, down and across."""
    if padding == "same":
        return math.ceil(shape[0] / strides[0]), math.ceil(shape[1] / strides[1])
    height, width = ((taps - 1) * dilation for taps in size)
    return (shape[0] - height - 1) // strides[0] + 1, (shape[1] - width - 1) // strides[1] + 1
