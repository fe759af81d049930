"""Serving of trained classifiers: class probabilities."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.export.serving import Agreement, Serving
from rl_nas.errors import UsageError

_SAME_CLASS = {"float16": 0.98, "int8": 0.8}
"""Least fraction of images whose likeliest class is the network's, by arithmetic other than the network's."""


class Classifier(Serving):
    """Serves `probabilities` [batch, classes] and the name of the likeliest class."""

    @property
    @override
    def returns(self) -> str:
        return f"`probabilities` [batch, {len(self.class_names)}] and `label`"

    @override
    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(outputs["logits"])}

    @override
    def served(self, predictions: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        likeliest = tf.argmax(predictions["probabilities"], axis=-1)
        return {**predictions, "label": tf.gather(tf.constant(list(self.class_names)), likeliest)}

    @override
    def check(self) -> None:
        output = self.network.output
        classes = (output["logits"] if isinstance(output, dict) else output).shape[-1]
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
        same = float(np.mean(likeliest == wanted))
        figures = {
            "max_difference": difference,
            "top1_agreement": same,
            "accuracy": float(np.mean(likeliest == targets)),
            "network_accuracy": float(np.mean(wanted == targets)),
        }
        if arithmetic == "float32":
            return Agreement(figures, self.too_different(difference, len(likeliest)))
        least = _SAME_CLASS[arithmetic]
        if same >= least:
            return Agreement(figures)
        return Agreement(
            figures,
            f"gives another class than the network for {1 - same:.1%} of {len(likeliest)} images; expected at most"
            f" {1 - least:.0%} for {arithmetic}",
        )
