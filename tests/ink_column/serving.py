"""A trained network as others use it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.export.serving import Agreement, Serving
from rl_nas.errors import UsageError


class InkServing(Serving):
    """Serves `column` [batch, 1]."""

    @property
    def returns(self) -> str:
        return "`column` [batch, 1]"

    def check(self) -> None:
        if tuple(self.network.output["column"].shape) != (None, 1):
            raise UsageError("the model does not predict one column")

    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"column": tf.maximum(outputs["column"], 0)}

    def keras_predictions(self, outputs: Mapping[str, Any]) -> Any:
        return {"column": keras.ops.relu(outputs["column"])}

    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: np.ndarray, arithmetic: str
    ) -> Agreement:
        difference = float(np.max(np.abs(found["column"] - expected["column"])))
        complaint = self.too_different(difference, len(targets)) if arithmetic == "float32" else None
        return Agreement({"max_difference": difference}, complaint)
