"""The images of a search in memory: those to train on, and those held out for the reward."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.source import ImageSource
from rl_nas.child.data.splits import TRAIN, VALID
from rl_nas.errors import UsageError
from rl_nas.networks.layer import Shape
from rl_nas.units import GIB

MEMORY_LIMIT = 8 * GIB
"""Most bytes of decoded images that a search keeps in memory."""

_READ_BATCH = 512
_PART = 1000


@dataclass(frozen=True)
class ImageData:
    """Decoded images in memory.

    Attributes:
        train_images: uint8 [images, height, width, channels].
        train_targets: array [images, ...], or a dict of such arrays.
        valid_images: like `train_images`, held out.
        valid_targets: like `train_targets`.
        class_names: one per class.
    """

    train_images: np.ndarray
    train_targets: Any
    valid_images: np.ndarray
    valid_targets: Any
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> Shape:
        """Height, width, channels."""
        height, width, channels = self.train_images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def normalization(self) -> Normalization:
        """Normalization to mean 0 and deviation 1 of every channel over the training images."""
        parts = range(0, len(self.train_images), _PART)
        return Normalization.measured(self.train_images[start : start + _PART] for start in parts)


def load_images(source: ImageSource) -> ImageData:
    """Reads the images that a data set has for training and for the reward, never those for the test.

    Raises:
        UsageError: nothing is held out, or the images are too many for memory.
    """
    if not source.images("valid"):
        raise UsageError("--valid_images=0, but the reward is measured on held-out images; expected at least 1")
    _check_memory(source.images("train") + source.images("valid"), source.shape)
    found: dict[int, tuple[np.ndarray, Any]] = {}
    for split in source.roles:
        images, targets, roles = _read(source, split)
        for role in (TRAIN, VALID):
            if np.any(of_role := roles == role):
                found[role] = images[of_role], selected(targets, of_role)
    return ImageData(*found[TRAIN], *found[VALID], source.class_names)


def _check_memory(images: int, shape: Shape) -> None:
    size = images * int(np.prod(shape))
    if size > MEMORY_LIMIT:
        raise UsageError(
            f"{images} images of {shape[0]}x{shape[1]}x{shape[2]} are {size / GIB:.1f} GiB; a search keeps"
            f" them in memory, at most {MEMORY_LIMIT / GIB:.0f} GiB: lower --train_images or --image_size"
        )


def _read(source: ImageSource, split: str) -> tuple[np.ndarray, Any, np.ndarray]:
    """Images, targets and roles of the examples of a split that are used; the others are not decoded."""
    role_of = tf.constant(source.roles[split])
    dataset = source.encoded(split).filter(lambda number, *_: (role_of[number] == TRAIN) | (role_of[number] == VALID))

    def decode(number: tf.Tensor, encoded: tf.Tensor, kept: Target) -> tuple[tf.Tensor, Target, tf.Tensor]:
        image, target = source.decode_both(encoded, kept)
        return source.resize(image), target, role_of[number]

    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    with source.decoding_errors():
        images, targets, kept = zip(*dataset.batch(_READ_BATCH).prefetch(2).as_numpy_iterator(), strict=True)
    return np.concatenate(images), joined(targets), np.concatenate(kept)


def selected(targets: Any, which: Any) -> Any:
    """Part of the arrays in a nest: `which` is a number, a slice, or an array."""
    return tf.nest.map_structure(lambda values: values[which], targets)


def joined(parts: Sequence[Any]) -> Any:
    """Targets of several batches, concatenated."""
    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
