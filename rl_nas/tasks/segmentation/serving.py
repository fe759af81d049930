"""Serving of trained segmentation networks: a class and probabilities for each pixel."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.export.serving import Agreement
from rl_nas.tasks.probabilities import ProbabilityServing
from rl_nas.tasks.segmentation.masks import IGNORE


class Segmenter(ProbabilityServing):
    """Serves `probabilities` [batch, height, width, classes] and `classes` [batch, height, width] of images' size."""

    @property
    @override
    def compile_arguments(self) -> Mapping[str, Any]:
        return {"optimizer": "adam", "loss": keras.losses.SparseCategoricalCrossentropy(ignore_class=IGNORE)}

    @property
    @override
    def returns(self) -> str:
        return (
            f"`probabilities` [batch, height, width, {len(self.class_names)}] and `classes` [batch, height, width],"
            " the number of the likeliest class of each pixel of the image"
        )

    @override
    def served(self, predictions: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.image.resize(predictions["probabilities"], size)
        classes = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        return {"probabilities": probabilities, "classes": tf.cast(classes, tf.uint8)}

    @override
    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: np.ndarray, arithmetic: str
    ) -> Agreement:
        figures, labeled = {}, targets < len(self.class_names)
        if labeled.any():
            for name, one in (("pixel_accuracy", found), ("network_pixel_accuracy", expected)):
                figures[name] = float(np.mean((one["probabilities"].argmax(axis=-1) == targets)[labeled]))
        of = f"the pixels of {len(targets)} images"
        return self.agreement(figures, found, expected, arithmetic, same="pixel_agreement", of=of)
