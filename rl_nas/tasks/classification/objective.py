"""Cross-entropy, and the accuracy of logits."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from rl_nas.child.network.flat_weights import Outputs
from rl_nas.tasks.classification.settings import ClassificationSettings

_TOP = 5


class CrossEntropy:
    """The objective of image classification.

    Targets are labels, int [batch], or floats [batch, classes], the fraction of each class; outputs are `logits`
    [batch, classes] and perhaps `auxiliary`.
    """

    figure_names = ("accuracy",)
    joined: frozenset[str] = frozenset()

    def __init__(self, settings: ClassificationSettings, classes: int) -> None:
        self._settings, self._classes = settings, classes

    def loss(self, targets: tf.Tensor, outputs: Outputs) -> tuple[tf.Tensor, Outputs]:
        """The cross-entropy of the head, and the gradients of both heads' weighted sum."""
        smoothing = self._settings.label_smoothing
        loss, gradient = cross_entropy(targets, outputs["logits"], smoothing)
        gradients = {"logits": gradient}
        if "auxiliary" in outputs:
            _, auxiliary = cross_entropy(targets, outputs["auxiliary"], smoothing)
            gradients["auxiliary"] = self._settings.auxiliary_weight * auxiliary
        return loss, gradients

    def figures(self, targets: tf.Tensor, outputs: Outputs) -> dict[str, tf.Tensor]:
        """`accuracy`: number of images with the largest logit at the label (that of the largest fraction)."""
        labels = targets if targets.dtype.is_integer else tf.argmax(targets, axis=-1)
        largest = tf.argmax(_logits(outputs), axis=-1, output_type=labels.dtype)
        return {"accuracy": tf.reduce_sum(tf.cast(largest == labels, tf.float32))}

    def evidence(self, targets: tf.Tensor, outputs: Outputs, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """Sums over the batch: images, top-1 and top-5 hits, and losses."""
        logits = _logits(outputs)
        right = tf.cast(tf.argmax(logits, axis=-1) == targets, tf.float32)
        among = tf.cast(tf.math.in_top_k(targets, logits, min(_TOP, self._classes)), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        values = {"images": tf.ones_like(right), "right": right, "among": among, "loss": losses}
        return {name: tf.reduce_sum(weights * value) for name, value in values.items()}

    def mixable(self, targets: tf.Tensor) -> tf.Tensor:
        """One-hot vectors."""
        return tf.one_hot(targets, self._classes)


class ClassificationMetric:
    """The figures of a classifier over a split.

    `accuracy` (top-1, 0 to 1), `loss` (mean cross-entropy, nats) and, with more than five classes, `top5_accuracy`.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._sums = dict.fromkeys(("images", "right", "among", "loss"), 0.0)

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        """Adds the sums of a batch."""
        for name, value in evidence.items():
            self._sums[name] += float(value)

    def result(self) -> dict[str, float]:
        """Means over the images."""
        images = self._sums["images"]
        means = {"accuracy": self._sums["right"] / images, "loss": self._sums["loss"] / images}
        return means | ({"top5_accuracy": self._sums["among"] / images} if self._classes > _TOP else {})


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean cross-entropy with smoothed labels (Szegedy et al. 2016, section 7), and its gradient.

    Args:
        labels: int [batch], or floats [batch, classes], the fraction of each class.
        logits: float [batch, classes].
        smoothing: fraction of the label that is spread evenly over all classes.

    Returns:
        The mean, and its gradient by the logits, float32 [batch, classes].
    """
    logits, labels = tf.cast(logits, tf.float32), tf.convert_to_tensor(labels)
    classes = logits.shape[1]
    targets = tf.one_hot(labels, classes) if labels.dtype.is_integer else labels
    if smoothing:
        targets = targets * (1 - smoothing) + smoothing / classes
    losses, gradient = tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=targets)
    batch = logits.shape[0] or tf.cast(tf.shape(logits)[0], tf.float32)  # with several workers the batch is not static
    return tf.reduce_mean(losses), gradient / batch


def _logits(outputs: Outputs) -> tf.Tensor:
    return tf.cast(outputs["logits"], tf.float32)
