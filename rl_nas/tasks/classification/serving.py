"""Serving of trained classifiers: class probabilities."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.export.serving import Agreement
from rl_nas.tasks.probabilities import ProbabilityServing


class Classifier(ProbabilityServing):
    """Serves `probabilities` [batch, classes] and the name of the likeliest class."""

    @property
    @override
    def returns(self) -> str:
        return f"`probabilities` [batch, {len(self.class_names)}] and `label`"

    @override
    def served(self, predictions: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        likeliest = tf.argmax(predictions["probabilities"], axis=-1)
        return {**predictions, "label": tf.gather(tf.constant(list(self.class_names)), likeliest)}

    @override
    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: np.ndarray, arithmetic: str
    ) -> Agreement:
        accuracies = (float(np.mean(one["probabilities"].argmax(axis=-1) == targets)) for one in (found, expected))
        figures = dict(zip(("accuracy", "network_accuracy"), accuracies, strict=True))
        of = f"{len(targets)} images"
        return self.agreement(figures, found, expected, arithmetic, same="top1_agreement", of=of)
