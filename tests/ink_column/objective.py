"""The squared error, and how much of the targets' variance is explained."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target


class InkObjective:
    """Half of the squared error."""

    figure_names = ("error",)
    joined = frozenset({"targets", "errors", "weights"})

    def loss(self, targets: Target, outputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        errors = _errors(targets, outputs)
        return tf.reduce_mean(errors**2) / 2, {"column": errors[:, tf.newaxis] / tf.cast(tf.size(errors), tf.float32)}

    def figures(self, targets: Target, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"error": tf.reduce_sum(tf.abs(_errors(targets, outputs)))}

    def evidence(self, targets: Target, outputs: dict[str, tf.Tensor], weights: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "images": tf.reduce_sum(weights),
            "targets": targets["column"],
            "errors": _errors(targets, outputs),
            "weights": weights,
        }

    def mixable(self, targets: Target) -> tf.Tensor:
        return targets["column"]


class InkMetric:
    """`r2`, 1 where all is explained, and `rmse`, in pixels."""

    def __init__(self) -> None:
        self._images, self._targets, self._errors = 0.0, [np.zeros(0)], [np.zeros(0)]

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        self._images += float(evidence["images"])
        whole = evidence["weights"] > 0
        self._targets.append(evidence["targets"][whole])
        self._errors.append(evidence["errors"][whole])

    def result(self) -> dict[str, float]:
        targets, squares = np.concatenate(self._targets), np.concatenate(self._errors) ** 2
        assert len(targets) == self._images
        return {"r2": 1 - float(squares.mean() / targets.var()), "rmse": float(squares.mean()) ** 0.5}


def _errors(targets: Target, outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.cast(outputs["column"], tf.float32)[:, 0] - targets["column"]
