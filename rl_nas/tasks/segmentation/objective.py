"""Loss of masks, and the confusion matrix that shows how good they are."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from rl_nas.child.network.flat_weights import Outputs
from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation import losses
from rl_nas.tasks.segmentation.settings import SegmentationSettings


class SegmentationObjective:
    """The objective of semantic segmentation.

    Targets are classes, uint8 [batch, height, width]; pixels with another number, such as `IGNORE`, are not labeled
    and count for nothing. The only output is `logits` [batch, height, width, classes].
    """

    figure_names = ("pixel_accuracy",)
    joined: frozenset[str] = frozenset()

    def __init__(
        self, settings: SegmentationSettings, classes: int, class_weights: Sequence[float] | None = None
    ) -> None:
        """Chooses the loss.

        Args:
            settings: which loss.
            classes: of the data set.
            class_weights: one for each class, of the loss, not all 0; None: all weigh the same.
        """
        self._classes = classes
        # Only their ratios count, and float32 may not hold the weights themselves.
        self._weights = (
            None if class_weights is None else np.divide(class_weights, max(class_weights)).astype("float32")
        )
        kinds: dict[str, Callable[..., tf.Tensor]] = {
            "cross_entropy": losses.cross_entropy,
            "focal": partial(losses.focal, gamma=settings.focal_gamma),
            "dice": losses.dice,
        }
        self._loss = kinds[settings.loss]
        # Children train eagerly, and take half as long again for the loss without a graph.
        self._loss_and_gradient = tf.function(self._differentiated, autograph=False)

    def loss(self, targets: tf.Tensor, outputs: Outputs) -> tuple[tf.Tensor, Outputs]:
        """The mean loss over the labeled pixels of the batch, and its gradient, float32; both 0 if there are none.

        Each of several replicas takes the mean over its own pixels.
        """
        loss, gradient = self._loss_and_gradient(targets, _logits(outputs))
        return loss, {"logits": gradient}

    def figures(self, targets: tf.Tensor, outputs: Outputs) -> dict[str, tf.Tensor]:
        """`pixel_accuracy`: fraction of an image's labeled pixels that are right, 0 if there are none."""
        labeled = targets < self._classes
        right = labeled & (_predicted(outputs) == tf.cast(targets, tf.int32))
        sums = [tf.reduce_sum(tf.cast(pixels, tf.float32), axis=[1, 2]) for pixels in (right, labeled)]
        return {"pixel_accuracy": tf.reduce_sum(tf.math.divide_no_nan(*sums))}

    def evidence(self, targets: tf.Tensor, outputs: Outputs, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """Sums over the labeled pixels of the images whose weight is not 0.

        Returns:
            `confusion`, int64 [classes, classes]: number of pixels by target (rows) and prediction (columns); `loss`,
            float64: sum of their cross-entropies in nats, without weights, whatever loss is trained.
        """
        logits, classes = _logits(outputs), self._classes
        counted = (targets < classes) & (weights > 0)[:, tf.newaxis, tf.newaxis]
        cells = tf.where(counted, tf.cast(targets, tf.int32) * classes + _predicted(outputs), classes**2)
        with tf.device("CPU"):  # TensorFlow refuses to count on GPUs if results have to repeat to the bit
            # What lies beyond the last cell is left out.
            confusion = tf.math.bincount(cells, minlength=classes**2, maxlength=classes**2, dtype=tf.int64)
        entropies = losses.pixel_cross_entropy(losses.one_hot(targets, logits), logits)
        return {
            "confusion": tf.reshape(confusion, [classes, classes]),
            "loss": tf.reduce_sum(tf.cast(tf.where(counted, entropies, 0.0), tf.float64)),
        }

    def mixable(self, targets: tf.Tensor) -> tf.Tensor:
        """Raises `UsageError`: a pixel with a part of two classes is not a target of this task."""
        raise UsageError("masks cannot be mixed; leave --mixup out")

    def _differentiated(self, targets: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = self._loss(targets, logits, self._weights)
        return loss, tape.gradient(loss, logits)


def _logits(outputs: Outputs) -> tf.Tensor:
    return tf.cast(outputs["logits"], tf.float32)


def _predicted(outputs: Outputs) -> tf.Tensor:
    """The class with the largest logit at every pixel, int32 [batch, height, width]."""
    return tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
