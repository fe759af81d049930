"""Loss of boxes and scores, and the detections that show how good they are."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from rl_nas.child.network.flat_weights import Outputs
from rl_nas.errors import UsageError
from rl_nas.tasks.detection import losses
from rl_nas.tasks.detection.boxes import encode
from rl_nas.tasks.detection.matching import match, matched_boxes, matched_labels
from rl_nas.tasks.detection.predict_settings import Suppression
from rl_nas.tasks.detection.settings import DetectionSettings
from rl_nas.tasks.detection.suppression import detections

Targets = Mapping[str, tf.Tensor]


class DetectionObjective:
    """The objective of object detection.

    Targets, of every image N boxes, at least 1:

    - `boxes` float32 [batch, N, 4]: top, left, bottom, right in pixels of the network's image.
    - `labels` int32 [batch, N]: classes; -1: padding.
    - `ignore` bool [batch, N]: boxes that are neither to be found nor background.
    - `area` float32 [batch, N] and `size` [batch, 2], of the original image: for the metric alone.

    Outputs are `scores` [batch, A, classes], logits, and `boxes` [batch, A, 4], codes relative to the anchors.
    """

    figure_names: tuple[str, ...] = ()
    joined = frozenset(
        {
            *("boxes", "scores", "classes", "count"),
            *("true_boxes", "true_labels", "ignore", "area", "size", "weight"),
        }
    )

    def __init__(
        self, settings: DetectionSettings, anchors: np.ndarray, size: tuple[int, int], kept: Suppression | None = None
    ) -> None:
        """Chooses loss and anchors.

        Args:
            settings: of the loss.
            anchors: float32 [A, 4], in the order of the outputs.
            size: height and width of the network's images.
            kept: of the detections, for the evidence.
        """
        self._settings, self._size, self._kept = settings, size, kept or Suppression()
        self._anchors = np.asarray(anchors, np.float32)
        # XLA joins the passes over all pairs of boxes and anchors: a third of the time on CPUs.
        self._loss_and_gradients = tf.function(self._differentiated, autograph=False, jit_compile=True)
        self._losses = tf.function(self._of_images, autograph=False, reduce_retracing=True)

    def loss(self, targets: Targets, outputs: Outputs) -> tuple[tf.Tensor, Outputs]:
        """The loss of the batch's scores and boxes over the number of its positive anchors, and its gradients, float32.

        Each of several replicas divides by its own positive anchors.
        """
        loss, (scores, boxes) = self._loss_and_gradients(*_needed(targets), outputs["scores"], outputs["boxes"])
        return loss, {"scores": scores, "boxes": boxes}

    def figures(self, targets: Targets, outputs: Outputs) -> dict[str, tf.Tensor]:
        """No figures: what single anchors find says little about boxes."""
        return {}

    def evidence(self, targets: Targets, outputs: Outputs, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        """The detections and targets of every image, for the metric.

        Returns:
            Of detections `boxes`, `scores`, `classes` and `count`, as `suppression.detections` returns them; of targets
            `true_boxes`, `true_labels`, `ignore`, `area` and `size`; `weight` float32 [batch], as given; `loss`,
            float64: sum over the images whose weight is not 0 of their losses, each over its own positive anchors.
        """
        scores, codes = outputs["scores"], outputs["boxes"]
        found = detections(scores, codes, self._anchors, self._size, self._kept)
        of_images = self._losses(*_needed(targets), scores, codes)
        return {
            **found,
            "true_boxes": targets["boxes"],
            "true_labels": targets["labels"],
            **{name: targets[name] for name in ("ignore", "area", "size")},
            "weight": tf.cast(weights, tf.float32),
            "loss": tf.reduce_sum(tf.cast(tf.where(weights > 0, of_images, 0.0), tf.float64)),
        }

    def mixable(self, targets: Targets) -> tf.Tensor:
        """Raises `UsageError`: an anchor with a part of two boxes is not a target of this task."""
        raise UsageError("boxes cannot be mixed; leave --mixup out")

    def _differentiated(self, *arguments: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        *targets, scores, codes = arguments
        outputs = [tf.cast(scores, tf.float32), tf.cast(codes, tf.float32)]
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            loss = self._loss(*targets, *outputs)
        return loss, tape.gradient(loss, outputs)

    def _of_images(self, *arguments: tf.Tensor) -> tf.Tensor:
        """The loss of every image, float32 [batch]."""
        # One at a time: all pairs of boxes and anchors of hundreds of images would fill the memory.
        return tf.map_fn(
            lambda image: self._loss(*(one[tf.newaxis] for one in image)), arguments, fn_output_signature=tf.float32
        )

    def _loss(
        self, boxes: tf.Tensor, labels: tf.Tensor, ignore: tf.Tensor, scores: tf.Tensor, codes: tf.Tensor
    ) -> tf.Tensor:
        matched = match(boxes, labels, ignore, self._anchors)
        classes = matched_labels(labels, matched)
        wanted = encode(matched_boxes(boxes, matched), self._anchors)
        of_boxes = losses.smooth_l1(codes, wanted, classes, beta=self._settings.box_loss_beta)
        return losses.focal(scores, classes) + self._settings.box_loss_weight * of_boxes


def _needed(targets: Targets) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What the loss reads of the targets."""
    return targets["boxes"], targets["labels"], targets["ignore"]
