"""Serving of trained segmentation networks: a class and probabilities for each pixel."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.export.serving import Agreement, Serving
from rl_nas.errors import UsageError

_SAME_CLASS = {"float16": 0.98, "int8": 0.8}
"""Least fraction of pixels whose likeliest class is the network's, by arithmetic other than the network's."""


class Segmenter(Serving):
    """Serves `probabilities` [batch, height, width, classes] and `classes` [batch, height, width] of images' size."""

    @property
    @override
    def returns(self) -> str:
        return (
            f"`probabilities` [batch, height, width, {len(self.class_names)}] and `classes` [batch, height, width],"
            " the number of the likeliest class of each pixel of the image"
        )

    @override
    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(outputs["logits"])}

    @override
    def served(self, predictions: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.image.resize(predictions["probabilities"], size)
        classes = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        return {"probabilities": probabilities, "classes": tf.cast(classes, tf.uint8)}

    @override
    def check(self) -> None:
        classes = self.network.output["logits"].shape[-1]
        if classes != len(self.class_names):
            raise UsageError(f"the model has {classes} classes; {len(self.class_names)} names were given")

    @override
    def keras_predictions(self, outputs: Mapping[str, Any]) -> Any:
        return keras.layers.Softmax(name="probabilities")(outputs["logits"])

    @override
    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: np.ndarray, arithmetic: str
    ) -> Agreement:
        likeliest, wanted = (one["probabilities"].argmax(axis=-1) for one in (found, expected))
        difference = float(np.max(np.abs(found["probabilities"] - expected["probabilities"])))
        same, labeled = float(np.mean(likeliest == wanted)), targets < len(self.class_names)
        figures = {"max_difference": difference, "pixel_agreement": same}
        if labeled.any():
            figures["pixel_accuracy"] = float(np.mean((likeliest == targets)[labeled]))
            figures["network_pixel_accuracy"] = float(np.mean((wanted == targets)[labeled]))
        if arithmetic == "float32":
            return Agreement(figures, self.too_different(difference, len(likeliest)))
        least = _SAME_CLASS[arithmetic]
        if same >= least:
            return Agreement(figures)
        return Agreement(
            figures,
            f"gives another class than the network for {1 - same:.1%} of the pixels of {len(likeliest)} images;"
            f" expected at most {1 - least:.0%} for {arithmetic}",
        )
