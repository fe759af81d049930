"""Serving of networks whose `logits` become probabilities of classes, for whole images or for each of their pixels."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.export.serving import Agreement, Serving
from rl_nas.errors import UsageError

_SAME_CLASS = {"float16": 0.98, "int8": 0.8}
"""Least fraction of likeliest classes that are the network's, by arithmetic other than the network's."""


class ProbabilityServing(Serving):
    """Serves `probabilities` [batch, ..., classes]."""

    @property
    @override
    def compile_arguments(self) -> Mapping[str, Any]:
        return {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}

    @override
    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(outputs["logits"])}

    @override
    def keras_predictions(self, outputs: Mapping[str, Any]) -> Any:
        return keras.layers.Softmax(name="probabilities")(outputs["logits"])

    @override
    def check(self) -> None:
        output = self.network.output
        classes = (output["logits"] if isinstance(output, dict) else output).shape[-1]
        if classes != len(self.class_names):
            raise UsageError(f"the model has {classes} classes; {len(self.class_names)} names were given")

    def agreement(
        self,
        figures: Mapping[str, float],
        found: Mapping[str, np.ndarray],
        expected: Mapping[str, np.ndarray],
        arithmetic: str,
        *,
        same: str,
        of: str,
    ) -> Agreement:
        """Compares likeliest classes, and in 32-bit arithmetic the probabilities.

        Args:
            figures: further ones.
            found: by the exported model.
            expected: by the network.
            arithmetic: of the exported model.
            same: name of the fraction of likeliest classes that agree.
            of: of what it is a fraction, such as `images`.
        """
        likeliest, wanted = (one["probabilities"].argmax(axis=-1) for one in (found, expected))
        difference = float(np.max(np.abs(found["probabilities"] - expected["probabilities"])))
        equal = float(np.mean(likeliest == wanted))
        shown = {"max_difference": difference, same: equal, **figures}
        if arithmetic == "float32":
            return Agreement(shown, self.too_different(difference, len(likeliest)))
        least = _SAME_CLASS[arithmetic]
        if equal >= least:
            return Agreement(shown)
        return Agreement(
            shown,
            f"gives another class than the network for {1 - equal:.1%} of {of}; expected at most {1 - least:.0%} for"
            f" {arithmetic}",
        )
