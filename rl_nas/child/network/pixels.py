"""Normalization of pixels as others do it, found by asking: an affine map of each channel."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rl_nas.child.data.normalization import Normalization
from rl_nas.errors import UsageError

_IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]) * 255

SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "0..255": lambda pixels: pixels,
    "0..1": lambda pixels: pixels / 255,
    "-1..1": lambda pixels: pixels / 127.5 - 1,
    "imagenet": lambda pixels: (pixels - _IMAGENET[0]) / _IMAGENET[1],
}
"""Value of --backbone_pixels -> what it makes of float pixels of 0 to 255 [batch, height, width, channels]."""


class Pixels(NamedTuple):
    """What a network makes of pixels before it computes.

    Attributes:
        normalization: of the channels of images.
        reverse: whether it then reads the channels in reverse order: blue, green, red.
    """

    normalization: Normalization
    reverse: bool = False


def probe(channels: int) -> np.ndarray:
    """Images [1 + channels, 1, 1, channels] of one pixel: black, and 255 in one channel."""
    return np.concatenate([np.zeros((1, channels)), 255 * np.eye(channels)])[:, np.newaxis, np.newaxis].astype(
        np.float32
    )


def pixels_of(answer: np.ndarray, what: str) -> Pixels:
    """What becomes of pixels, from what became of those of `probe`.

    Raises:
        UsageError: it is no increasing function of each channel alone.
    """
    black, *colors = np.asarray(answer, np.float64).reshape(len(answer), -1)
    slopes = (np.stack(colors) - black) / 255
    channels = len(slopes)
    for order in (np.arange(channels), np.arange(channels)[::-1]):
        slope, offset = slopes[np.arange(channels), order], black[order]
        if np.all(slope > 0) and np.count_nonzero(slopes) == channels:
            mean, deviation = -offset / slope, 1 / slope
            return Pixels(Normalization(tuple(mean.tolist()), tuple(deviation.tolist())), bool(order[0] != 0))
    raise UsageError(f"{what} mixes or inverts the channels of pixels; expected a scale and an offset for each channel")
