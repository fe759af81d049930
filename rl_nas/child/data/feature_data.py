"""Features of a frozen backbone as the inputs of children."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Annotation, Target
from rl_nas.child.data.feature_cache import CachedFeatures
from rl_nas.child.data.geometry import Geometry
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import TrainingData
from rl_nas.child.network.backbone import Backbone
from rl_nas.errors import UsageError

Named = dict[str, tf.Tensor]


class FeatureData:
    """Cached features and the targets of their images; a batch is read from the files whose pages processes share."""

    def __init__(self, features: CachedFeatures, data: ImageData, annotation: Annotation) -> None:
        self._features, self._annotation = features, annotation
        self._train_targets, self._valid_targets = data.train_targets, data.valid_targets
        self.train_examples, self.valid_examples = len(data.train_images), len(data.valid_images)

    def read(self, indices: np.ndarray, seed: np.ndarray) -> dict[str, Any]:
        """Features, of mirrored images for half of them, targets as they are kept, and which are mirrored."""
        mirrored = np.zeros(len(indices), bool)
        if self._features.mirrored:
            mirrored = np.random.default_rng(seed).random(len(indices)) < 0.5
        maps = {
            name: tf.constant(values[mirrored.astype(int), indices]) for name, values in self._features.train.items()
        }
        targets = tf.nest.map_structure(lambda values: tf.constant(values[indices]), self._train_targets)
        return {"maps": maps, "targets": targets, "mirrored": tf.constant(mirrored)}

    def signature(self, batch: int) -> dict[str, Any]:
        """See `TrainingData`."""

        def spec(values: np.ndarray, axis: int) -> tf.TensorSpec:
            return tf.TensorSpec([batch, *values.shape[axis:]], values.dtype)

        maps = {name: spec(values, 2) for name, values in self._features.train.items()}
        targets = tf.nest.map_structure(lambda values: spec(values, 1), self._train_targets)
        return {"maps": maps, "targets": targets, "mirrored": tf.TensorSpec([batch], tf.bool)}

    def batch(self, read: dict[str, Any], seed: tf.Tensor, augmentation: AugmentSettings) -> tuple[Named, Target]:
        """See `TrainingData`."""
        geometry = Geometry(self._features.maps.image_size, None, read["mirrored"], 0, False)
        return read["maps"], self._annotation.warped(read["targets"], geometry)

    def first(self, count: int) -> tuple[Named, Target]:
        """See `TrainingData`."""
        train = {name: values[0] for name, values in self._features.train.items()}
        return _part(train, self._train_targets, slice(count))

    def held_out(self, start: int, stop: int) -> tuple[Named, Target]:
        """See `TrainingData`."""
        return _part(self._features.valid, self._valid_targets, slice(start, stop))


class ComputedFeatures:
    """Features of a frozen backbone, computed from every batch of images as it is augmented."""

    def __init__(self, backbone: Backbone, images: TrainingData) -> None:
        self._backbone, self._images = backbone, images
        self.train_examples, self.valid_examples = images.train_examples, images.valid_examples
        self.read, self.signature = images.read, images.signature

    def batch(self, read: Any, seed: tf.Tensor, augmentation: AugmentSettings) -> tuple[Named, Target]:
        """See `TrainingData`."""
        return self._features(*self._images.batch(read, seed, augmentation))

    def first(self, count: int) -> tuple[Named, Target]:
        """See `TrainingData`."""
        return self._features(*self._images.first(count))

    def held_out(self, start: int, stop: int) -> tuple[Named, Target]:
        """See `TrainingData`."""
        return self._features(*self._images.held_out(start, stop))

    def _features(self, images: tf.Tensor, targets: Target) -> tuple[Named, Target]:
        return dict(self._backbone(images)), targets


def check_augmentation(augmentation: AugmentSettings) -> None:
    """Raises `UsageError` for changes of images that cached features cannot follow."""
    plain = AugmentSettings(flip=augmentation.flip)
    for name, value in augmentation.flags().items():
        if value != plain.flags()[name]:
            raise UsageError(
                f"--{name}={value} changes images, but their features are computed once: only --flip is possible;"
                " leave it out, or give --feature_cache=no, with --freeze=backbone if it is not to be trained"
            )


def _part(maps: Mapping[str, np.ndarray], targets: Any, part: slice) -> tuple[Named, Target]:
    return (
        {name: tf.constant(values[part]) for name, values in maps.items()},
        tf.nest.map_structure(lambda values: tf.constant(values[part]), targets),
    )
