"""The examples of a search's children: the interface, and images on the device."""

from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Annotation, Target
from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings

Inputs = Any
"""Inputs of a network: normalized images, or feature maps by name."""


class TrainingData(Protocol):
    """Inputs and targets of training and of held-out examples."""

    @property
    def train_examples(self) -> int:
        """Number of training examples."""

    @property
    def valid_examples(self) -> int:
        """Number of held-out examples."""

    def read(self, indices: np.ndarray, seed: np.ndarray) -> Any:
        """The part of training examples that is read for every train step: a nest of tensors.

        Args:
            indices: int64 [batch].
            seed: int64 [2]; everything random is a function of it.
        """

    def signature(self, batch: int) -> Any:
        """Nest of the tf.TensorSpec of what `read` returns."""

    def batch(self, read: Any, seed: tf.Tensor, augmentation: AugmentSettings) -> tuple[Inputs, Target]:
        """Inputs, normalized and augmented, and their targets; traced in a tf.function.

        Args:
            read: from `read`.
            seed: the same, as a tensor.
            augmentation: the changes of the images.
        """

    def first(self, count: int) -> tuple[Inputs, Target]:
        """The first training examples, without augmentation."""

    def held_out(self, start: int, stop: int) -> tuple[Inputs, Target]:
        """Held-out examples of these numbers."""


class DeviceData:
    """The images of a search on the device: copied once, shared by all children.

    Attributes:
        train_images: uint8 [images, height, width, channels].
        train_targets: tensor [images, ...], or a dict of such tensors.
        valid_images: uint8, the held-out images.
        valid_targets: like `train_targets`.
        normalize: scales every channel to mean 0 and deviation 1 over the training images.
    """

    def __init__(self, data: ImageData, annotation: Annotation, normalization: Any = None) -> None:
        """Copies a data set.

        Args:
            data: in memory.
            annotation: of its targets.
            normalization: of the images; None: that of the data.
        """
        self._annotation = annotation
        self.train_images = tf.constant(data.train_images)
        self.valid_images = tf.constant(data.valid_images)
        self.train_targets = tf.nest.map_structure(tf.constant, data.train_targets)
        self.valid_targets = tf.nest.map_structure(tf.constant, data.valid_targets)
        self.normalize = normalization or data.normalization()

    @property
    def train_examples(self) -> int:
        """See `TrainingData`."""
        return int(self.train_images.shape[0])

    @property
    def valid_examples(self) -> int:
        """See `TrainingData`."""
        return int(self.valid_images.shape[0])

    def read(self, indices: np.ndarray, seed: np.ndarray) -> tf.Tensor:
        """The indices: images are gathered in the graph."""
        return tf.constant(indices)

    def signature(self, batch: int) -> tf.TensorSpec:
        """See `TrainingData`."""
        return tf.TensorSpec([batch], tf.int64)

    def batch(self, read: tf.Tensor, seed: tf.Tensor, augmentation: AugmentSettings) -> tuple[tf.Tensor, Target]:
        """See `TrainingData`."""
        images = self.normalize(tf.gather(self.train_images, read))
        images, geometry = augment(images, seed, augmentation)
        targets = tf.nest.map_structure(lambda values: tf.gather(values, read), self.train_targets)
        return images, self._annotation.warped(targets, geometry)

    def first(self, count: int) -> tuple[tf.Tensor, Target]:
        """See `TrainingData`."""
        targets = tf.nest.map_structure(lambda values: values[:count], self.train_targets)
        return self.normalize(self.train_images[:count]), targets

    def held_out(self, start: int, stop: int) -> tuple[tf.Tensor, Target]:
        """See `TrainingData`."""
        targets = tf.nest.map_structure(lambda values: values[start:stop], self.valid_targets)
        return self.normalize(self.valid_images[start:stop]), targets
