"""Outputs of a network become detections: decoding and non-maximum suppression, inside the graph."""

import tensorflow as tf

from rl_nas.tasks.detection.boxes import areas, clip, decode
from rl_nas.tasks.detection.predict_settings import Suppression


def detections(
    logits: tf.Tensor, codes: tf.Tensor, anchors: tf.Tensor, size: tuple[int, int], kept: Suppression
) -> dict[str, tf.Tensor]:
    """The detections of images; needs a kernel that XLA and TFLite do not have.

    Args:
        logits: `scores` of the network, float [batch, A, C].
        codes: `boxes` of the network, float [batch, A, 4].
        anchors: float32 [A, 4].
        size: height and width of the network's images.
        kept: what is kept.

    Returns:
        Of every image, by falling score: `boxes` float32 [batch, M, 4] in the network's image, `scores` float32
        [batch, M], `classes` int32 [batch, M], and `count` int32 [batch], how many there are; zeros follow. M is
        `max_detections`.
    """
    return suppress(decode(codes, anchors), tf.sigmoid(tf.cast(logits, tf.float32)), size, kept)


def suppress(boxes: tf.Tensor, scores: tf.Tensor, size: tuple[int, int], kept: Suppression) -> dict[str, tf.Tensor]:
    """The detections among the boxes of all anchors.

    Args:
        boxes: decoded, float32 [batch, A, 4] in pixels of the network's image.
        scores: of classes, 0 to 1, float32 [batch, A, C].
        size: height and width of the network's images.
        kept: what is kept.

    Returns:
        As `detections`.
    """
    boxes = clip(boxes, *size)
    # What lies outside of the image is nothing: the suppression itself would keep boxes without an area.
    scores = tf.where(areas(boxes)[..., tf.newaxis] > 0, scores, -1.0)
    found = tf.image.combined_non_max_suppression(
        boxes[:, :, tf.newaxis],
        scores,
        max_output_size_per_class=kept.max_detections,
        max_total_size=kept.max_detections,
        iou_threshold=kept.nms_iou,
        score_threshold=kept.score_threshold,
        clip_boxes=False,
    )
    return {
        "boxes": found.nmsed_boxes,
        "scores": found.nmsed_scores,
        "classes": tf.cast(found.nmsed_classes, tf.int32),
        "count": found.valid_detections,
    }
