"""Normalization of pixels."""

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf


class Normalization(NamedTuple):
    """(pixel - mean) / deviation, for every channel.

    Attributes:
        mean: of every channel, in 0 to 255.
        deviation: of every channel; at least 1 if measured.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Normalizes images of 0 to 255: float [batch, height, width, channels]."""
        return (tf.cast(images, tf.float32) - tf.constant(self.mean)) / tf.constant(self.deviation)

    @classmethod
    def measured(cls, batches: Iterable[np.ndarray]) -> Self:
        """Normalization to mean 0 and deviation 1 over uint8 images [batch, height, width, channels]."""
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for images in batches:
            pixels = images.reshape(-1, images.shape[-1])
            count += len(pixels)
            total = total + pixels.sum(axis=0, dtype=np.float64)
            squares = squares + np.sum(np.square(pixels, dtype=np.float64), axis=0)
        mean = total / count
        deviation = np.maximum(np.sqrt(squares / count - mean**2), 1.0)
        return cls(_rounded(mean), _rounded(deviation))

    @classmethod
    def unit(cls, channels: int) -> Self:
        """Normalization of pixels to -1 to 1."""
        return cls((127.5,) * channels, (127.5,) * channels)


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Rounds to float32, the type that images are computed in."""
    return tuple(values.astype(np.float32).tolist())
