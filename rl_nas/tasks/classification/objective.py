"""Cross-entropy, and the accuracy of logits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.child.network.flat_weights import Outputs
from rl_nas.store.class_results import MOST_WORST, ClassResults, confusion_results
from rl_nas.tasks.classification.own_code import OwnLoss, OwnQuality
from rl_nas.tasks.classification.settings import CROSS_ENTROPY, QUALITY_NAMES, ClassificationSettings

_TOP = 5
_SUMS = ("images", "right", "among", "loss")
"""Evidence that is added up."""
_PROBABILITIES = "probabilities"
"""Evidence of each image that only a quality of the user's own is computed from."""
_OF_IMAGES = ("labels", "predicted", "losses", "counted")
"""Evidence of each image."""


class CrossEntropy:
    """The objective of image classification.

    Targets are labels, int [batch], or floats [batch, classes], the fraction of each class; outputs are `logits`
    [batch, classes] and perhaps `auxiliary`. A loss of the user's own takes the place of cross-entropy.
    """

    figure_names = ("accuracy",)

    def __init__(
        self, settings: ClassificationSettings, classes: int, class_weights: Sequence[float] | None = None
    ) -> None:
        """Takes settings.

        Args:
            settings: of the task.
            classes: of the data set.
            class_weights: one for each class, of the loss; None: all weigh the same.
        """
        self._settings, self._classes = settings, classes
        self._weights = None if class_weights is None else np.asarray(class_weights, np.float32)
        self._needs_probabilities = settings.metric not in QUALITY_NAMES
        self.joined = frozenset((*_OF_IMAGES, _PROBABILITIES))
        self._own = own_loss(settings, classes)

    def loss(self, targets: tf.Tensor, outputs: Outputs) -> tuple[tf.Tensor, Outputs]:
        """The loss of the head, and the gradients of both heads' weighted sum."""
        loss, gradient = self._of_head(targets, outputs["logits"])
        gradients = {"logits": gradient}
        if "auxiliary" in outputs:
            _, auxiliary = self._of_head(targets, outputs["auxiliary"])
            gradients["auxiliary"] = self._settings.auxiliary_weight * auxiliary
        return loss, gradients

    def figures(self, targets: tf.Tensor, outputs: Outputs) -> dict[str, tf.Tensor]:
        """`accuracy`: number of images with the largest logit at the label (that of the largest fraction)."""
        labels = targets if targets.dtype.is_integer else tf.argmax(targets, axis=-1)
        largest = tf.argmax(_logits(outputs), axis=-1, output_type=labels.dtype)
        return {"accuracy": tf.reduce_sum(tf.cast(largest == labels, tf.float32))}

    def evidence(self, targets: tf.Tensor, outputs: Outputs, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """Sums over the batch: images, top-1 and top-5 hits, and losses; and of each image its class and prediction.

        Returns:
            `images`, `right`, `among` and `loss`, float32 scalars; `labels` and `predicted`, int32 [batch]; `losses`
            and `counted`, the weights, float32 [batch]; for a quality of the user's own `probabilities`, float32
            [batch, classes].
        """
        logits = _logits(outputs)
        predicted = tf.argmax(logits, axis=-1)
        right = tf.cast(predicted == targets, tf.float32)
        among = tf.cast(tf.math.in_top_k(targets, logits, min(_TOP, self._classes)), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        values = {"images": tf.ones_like(right), "right": right, "among": among, "loss": losses}
        sums = {name: tf.reduce_sum(weights * value) for name, value in values.items()}
        images = {"labels": tf.cast(targets, tf.int32), "predicted": tf.cast(predicted, tf.int32)}
        own = {_PROBABILITIES: tf.nn.softmax(logits)} if self._needs_probabilities else {}
        return {**sums, **images, "losses": losses, "counted": tf.cast(weights, tf.float32), **own}

    def mixable(self, targets: tf.Tensor) -> tf.Tensor:
        """One-hot vectors."""
        return tf.one_hot(targets, self._classes)

    def _of_head(self, targets: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        smoothing = self._settings.label_smoothing
        if self._own is None:
            return cross_entropy(targets, logits, smoothing, self._weights)
        fractions, weights = _fractions(targets, self._classes, smoothing, self._weights)
        loss, gradient = self._own(fractions, tf.cast(logits, tf.float32), weights)
        return loss, gradient


def own_loss(settings: ClassificationSettings, classes: int) -> OwnLoss | None:
    """The loss of the user's own; None: it is cross-entropy.

    Args:
        settings: of the task.
        classes: of the data set.

    Raises:
        UsageError: there is no such loss, or it fails.
    """
    if settings.loss == CROSS_ENTROPY:
        return None
    return OwnLoss(settings.loss, classes, weighted=settings.class_weights != "none")


def own_quality(settings: ClassificationSettings, classes: int) -> OwnQuality | None:
    """The quality of the user's own; None: it is a built-in one.

    Args:
        settings: of the task.
        classes: of the data set.

    Raises:
        UsageError: there is no such function, or it fails.
    """
    return None if settings.metric in QUALITY_NAMES else OwnQuality(settings.metric, classes)


class ClassificationMetric:
    """The figures of a classifier over a split.

    `accuracy` (top-1, 0 to 1), `loss` (mean cross-entropy, nats) and, with more than five classes, `top5_accuracy`;
    before them `balanced_accuracy`, `macro_f1` or one of the user's own if that is the quality. Where another loss is
    trained, the cross-entropy is named so.
    """

    def __init__(
        self,
        classes: int,
        quality: str = "accuracy",
        names: Sequence[str] | None = None,
        own: OwnQuality | None = None,
        *,
        loss: str = "loss",
    ) -> None:
        """Takes the classes.

        Args:
            classes: how many.
            quality: name of the metric that is the quality.
            names: of the classes, for their results; None: numbers.
            own: the quality, if it is the user's own.
            loss: name of the cross-entropy among the figures.
        """
        self._classes, self._quality, self._names = classes, quality, names or tuple(map(str, range(classes)))
        self._own, self._loss = own, loss
        self._sums: dict[str, Any] = dict.fromkeys(_SUMS, np.float64(0))
        self._cells = [np.zeros(0, np.int64)]  # of the confusion matrix, one for each image
        self._losses = [np.zeros(0, np.float32)]
        self._probabilities = [np.zeros([0, classes], np.float32)]

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        """Adds the sums and the images of a batch."""
        for name in _SUMS:
            self._sums[name] = self._sums[name] + np.asarray(evidence[name], np.float64)
        counted = np.asarray(evidence["counted"]) > 0
        labels, predicted, losses = (np.asarray(evidence[name])[counted] for name in ("labels", "predicted", "losses"))
        self._losses.append(losses)
        self._cells.append(labels.astype(np.int64) * self._classes + predicted)
        if self._own is not None:
            self._probabilities.append(np.asarray(evidence[_PROBABILITIES])[counted])

    def result(self) -> dict[str, float]:
        """Means over the images."""
        images = self._sums["images"]
        means = {"accuracy": float(self._sums["right"] / images), self._loss: float(self._sums["loss"] / images)}
        if self._classes > _TOP:
            means["top5_accuracy"] = float(self._sums["among"] / images)
        if self._quality == "accuracy":
            return means
        actual, predicted = np.divmod(np.concatenate(self._cells), self._classes)
        if self._own is not None:
            return {self._own.name: self._own(actual, np.concatenate(self._probabilities)), **means}
        of_classes = (actual[actual == predicted], actual, predicted)
        counts = (np.bincount(one, minlength=self._classes) for one in of_classes)
        return {self._quality: QUALITIES[self._quality](*counts), **means}

    def of_classes(self) -> ClassResults:
        """Images of each class, the classes that they are taken for, and the images with the highest loss."""
        cells, counts = np.unique(np.concatenate(self._cells), return_counts=True)
        results = confusion_results("images", self._names, *np.divmod(cells, self._classes), counts)
        worst = np.argsort(-np.concatenate(self._losses), kind="stable")[:MOST_WORST]
        return replace(results, worst=tuple(worst.tolist()))


def balanced_accuracy(hits: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> float:
    """The mean recall of the classes that have images.

    Args:
        hits: images of each class that are found, [classes].
        actual: images of each class.
        predicted: images that are taken for each class.
    """
    return float(np.mean(hits[actual > 0] / actual[actual > 0]))


def macro_f1(hits: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> float:
    """The mean F1 of the classes that have images or are predicted; arguments as of `balanced_accuracy`."""
    both = actual + predicted
    return float(np.mean(2 * hits[both > 0] / both[both > 0]))


QUALITIES = {"balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1}
"""Qualities that are computed from images of each class."""


def cross_entropy(
    labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0, class_weights: np.ndarray | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean cross-entropy with smoothed labels (Szegedy et al. 2016, section 7), and its gradient.

    Args:
        labels: int [batch], or floats [batch, classes], the fraction of each class.
        logits: float [batch, classes].
        smoothing: fraction of the label that is spread evenly over all classes.
        class_weights: float32 [classes], by which the losses of images of a class are multiplied; None: 1.

    Returns:
        The mean, and its gradient by the logits, float32 [batch, classes].
    """
    logits = tf.cast(logits, tf.float32)
    targets, weights = _fractions(labels, logits.shape[1], smoothing, class_weights)
    losses, gradient = tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=targets)
    if weights is not None:
        losses, gradient = weights * losses, weights[:, tf.newaxis] * gradient
    batch = logits.shape[0] or tf.cast(tf.shape(logits)[0], tf.float32)  # with several workers the batch is not static
    return tf.reduce_mean(losses), gradient / batch


def _fractions(
    labels: tf.Tensor, classes: int, smoothing: float, class_weights: np.ndarray | None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The fraction of each class in each image, smoothed, [batch, classes], and the images' weights, [batch]."""
    labels = tf.convert_to_tensor(labels)
    targets = tf.one_hot(labels, classes) if labels.dtype.is_integer else labels
    weights = None if class_weights is None else tf.linalg.matvec(targets, class_weights)
    if smoothing:
        targets = targets * (1 - smoothing) + smoothing / classes
    return targets, weights


def _logits(outputs: Outputs) -> tf.Tensor:
    return tf.cast(outputs["logits"], tf.float32)
