"""The squared error, and how much of the targets' variance is explained."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class InkObjective:
    """Half of the squared error."""

    figure_names = ("error",)

    def loss(self, targets: tf.Tensor, outputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        errors = _errors(targets, outputs)
        return tf.reduce_mean(errors**2) / 2, {"column": errors[:, tf.newaxis] / tf.cast(tf.size(errors), tf.float32)}

    def figures(self, targets: tf.Tensor, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"error": tf.reduce_sum(tf.abs(_errors(targets, outputs)))}

    def evidence(self, targets: tf.Tensor, outputs: dict[str, tf.Tensor], weights: tf.Tensor) -> dict[str, tf.Tensor]:
        values = {
            "images": tf.ones_like(targets),
            "errors": _errors(targets, outputs) ** 2,
            "sums": targets,
            "squares": targets**2,
        }
        return {name: tf.reduce_sum(weights * value) for name, value in values.items()}

    def mixable(self, targets: tf.Tensor) -> tf.Tensor:
        return targets


class InkMetric:
    """`r2`, 1 where all is explained, and `rmse`, in pixels."""

    def __init__(self) -> None:
        self._sums = dict.fromkeys(("images", "errors", "sums", "squares"), 0.0)

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        for name, value in evidence.items():
            self._sums[name] += float(value)

    def result(self) -> dict[str, float]:
        images, errors, sums, squares = self._sums.values()
        return {"r2": 1 - errors / (squares - sums**2 / images), "rmse": (errors / images) ** 0.5}


def _errors(targets: tf.Tensor, outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.cast(outputs["column"], tf.float32)[:, 0] - targets
