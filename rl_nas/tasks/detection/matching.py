"""Anchors are matched with the boxes that they are trained to find."""

import tensorflow as tf

from rl_nas.tasks.detection.boxes import areas, intersections, iou_of

NEGATIVE = -1
"""In the place of a box or a class: the anchor shows background."""
NEITHER = -2
"""In the place of a box or a class: the anchor has no part in the loss of scores."""

POSITIVE_IOU, NEGATIVE_IOU, IGNORED_PART = 0.5, 0.4, 0.5


def match(boxes: tf.Tensor, labels: tf.Tensor, ignore: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """The box of every anchor (Lin et al. 2017, section 4, and a best anchor for each box as in Ren et al. 2015).

    An anchor belongs to the box with the largest IoU if that is at least 0.5, is negative if it is below 0.4, and
    neither between. The anchor with the largest IoU of a box belongs to that box whatever the IoU, unless it is 0; if
    it is the best of several boxes, to the one with the largest IoU. Of equals the lowest number counts. Anchors with
    half their area inside a box that is ignored are neither, unless they are positive.

    Args:
        boxes: float32 [batch, N, 4], N at least 1.
        labels: int32 [batch, N]; boxes with a negative one are padding.
        ignore: bool [batch, N].
        anchors: float32 [A, 4].

    Returns:
        Int32 [batch, A]: number of the box, `NEGATIVE` or `NEITHER`.
    """
    common = intersections(boxes, anchors)
    found = (labels >= 0)[..., tf.newaxis]
    ignored = found & ignore[..., tf.newaxis]
    overlaps = tf.where(found & ~ignored, iou_of(common, boxes, anchors), 0.0)
    best_anchors = _first_of_largest(overlaps, axis=2)[..., tf.newaxis]
    forced = (tf.range(anchors.shape[0]) == best_anchors) & (overlaps > 0)
    # A forced match precedes all others.
    ranks = overlaps + tf.where(forced, 2.0, 0.0)
    best = tf.reduce_max(ranks, axis=1)
    matched = tf.where(best >= POSITIVE_IOU, _first_of_largest(ranks, axis=1), NEGATIVE)
    inside = common >= IGNORED_PART * areas(anchors)
    neither = (best >= NEGATIVE_IOU) | tf.reduce_any(inside & ignored, axis=1)
    return tf.where((matched == NEGATIVE) & neither, NEITHER, matched)


def matched_labels(labels: tf.Tensor, matched: tf.Tensor) -> tf.Tensor:
    """The class of every anchor.

    Args:
        labels: of the boxes, int32 [batch, N].
        matched: of `match`.

    Returns:
        Int32 [batch, A]: class, `NEGATIVE` or `NEITHER`.
    """
    return tf.where(matched < 0, matched, tf.gather(labels, tf.maximum(matched, 0), batch_dims=1))


def matched_boxes(boxes: tf.Tensor, matched: tf.Tensor) -> tf.Tensor:
    """The box of every anchor, float32 [batch, A, 4]; any for those that have none.

    Args:
        boxes: float32 [batch, N, 4].
        matched: of `match`.
    """
    return tf.gather(boxes, tf.maximum(matched, 0), batch_dims=1)


def _first_of_largest(values: tf.Tensor, axis: int) -> tf.Tensor:
    """The index of the largest value along an axis, the first of equals, int32; XLA takes longer for an argmax."""
    size = tf.shape(values)[axis]
    indices = tf.reshape(tf.range(size), [-1 if place == axis else 1 for place in range(len(values.shape))])
    largest = values == tf.reduce_max(values, axis=axis, keepdims=True)
    return tf.reduce_min(tf.where(largest, indices, size - 1), axis=axis)
