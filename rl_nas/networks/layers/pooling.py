"""Pooling."""

from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from rl_nas.networks.layer import Layer, Shape
from rl_nas.networks.layers.window import Padding, Pair, window_size


@dataclass(frozen=True)
class Pool(Layer):
    """Average (padding not counted) or maximum over a square window."""

    KEEPS_CHANNELS = True

    kind: Literal["avg", "max"]
    size: int
    stride: int = 1
    padding: Padding = "same"

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        square, stride = (self.size, self.size), (self.stride, self.stride)
        return (*window_size(inputs[0], square, stride, self.padding), inputs[0][2])


@dataclass(frozen=True)
class AveragePool(Layer):
    """Average over a rectangular window, at every place where it lies inside the image."""

    KEEPS_CHANNELS = True

    window: Pair

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*window_size(inputs[0], self.window, (1, 1), "valid"), inputs[0][2])


@dataclass(frozen=True)
class GridPool(Layer):
    """Average over each cell of a grid on the image.

    Cell i of n over a side of s pixels holds the pixels from floor(i s / n) to ceil((i + 1) s / n) - 1: cells share a
    pixel where the side is no multiple of their number.
    """

    KEEPS_CHANNELS = True

    grid: Pair

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*self.grid, inputs[0][2])


@dataclass(frozen=True)
class GlobalPool(Layer):
    """Mean over all pixels."""

    KEEPS_CHANNELS = True

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, inputs[0][2]


@dataclass(frozen=True)
class Resize(Layer):
    """Interpolation to another size, without antialiasing.

    Attributes:
        size: height and width of the result.
        align_corners: whether the centers of the corner pixels stay corners, as in TensorFlow 1's option of that name;
            otherwise the corners of these pixels do (half-pixel centers).
        method: `bilinear`; or `nearest`, the pixel below each center, for half-pixel centers.
    """

    KEEPS_CHANNELS = True

    size: Pair
    align_corners: bool = False
    method: Literal["bilinear", "nearest"] = "bilinear"

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*self.size, inputs[0][2])
