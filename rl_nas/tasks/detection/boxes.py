"""Boxes in pixels and as codes relative to anchors.

Boxes are float32 [..., 4]: top, left, bottom, right in pixels of an image. Edges are continuous: the box of a whole
image is (0, 0, height, width). A box whose bottom is not below its top, or whose right is not beyond its left, is
degenerate: it has no area.
"""

import math

import tensorflow as tf

VARIANCES = (0.1, 0.1, 0.2, 0.2)
"""Codes are divided by these, so that all are of about the same size."""

LARGEST = math.log(1000 / 16)
"""Bound of the logarithm of a decoded box's size in those of its anchor."""
_SMALLEST = 1e-6


def areas(boxes: tf.Tensor) -> tf.Tensor:
    """Areas of boxes [..., 4], square pixels [...]; 0 for degenerate ones."""
    top, left, bottom, right = _edges(boxes)
    return tf.nn.relu(bottom - top) * tf.nn.relu(right - left)


def intersections(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Areas that boxes have in common, in pairs.

    Args:
        boxes: [..., N, 4].
        others: [..., M, 4]; what stands before M is broadcast.

    Returns:
        Square pixels [..., N, M].
    """
    top, left, bottom, right = (edge[..., :, tf.newaxis] for edge in _edges(boxes))
    tops, lefts, bottoms, rights = (edge[..., tf.newaxis, :] for edge in _edges(others))
    heights = tf.nn.relu(tf.minimum(bottom, bottoms) - tf.maximum(top, tops))
    return heights * tf.nn.relu(tf.minimum(right, rights) - tf.maximum(left, lefts))


def iou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Intersection over union of boxes in pairs, 0 to 1; 0 if one is degenerate.

    Args:
        boxes: [..., N, 4].
        others: [..., M, 4]; what stands before M is broadcast.

    Returns:
        [..., N, M].
    """
    return iou_of(intersections(boxes, others), boxes, others)


def iou_of(common: tf.Tensor, boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """`iou` of boxes whose `intersections` are known already."""
    sums = areas(boxes)[..., :, tf.newaxis] + areas(others)[..., tf.newaxis, :]
    return tf.math.divide_no_nan(common, sums - common)


def encode(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Codes of boxes relative to anchors (Ren et al. 2015, section 3.1.2), divided by `VARIANCES`.

    Args:
        boxes: [..., 4]; of a degenerate one the codes are finite, but not to be decoded.
        anchors: [..., 4], not degenerate; broadcast with the boxes.

    Returns:
        Float32 [..., 4]: shifts of the centre down and right, in anchor heights and widths, and logarithms of height
        and width in those of the anchor.
    """
    middle, size = _middle_and_size(boxes)
    anchor_middle, anchor_size = _middle_and_size(anchors)
    shifts = (middle - anchor_middle) / anchor_size
    return tf.concat([shifts, tf.math.log(tf.maximum(size, _SMALLEST) / anchor_size)], axis=-1) / VARIANCES


def decode(codes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Boxes of codes, the inverse of `encode`; a box is at most 62.5 times as high or wide as its anchor.

    Args:
        codes: [..., 4], float of any width.
        anchors: [..., 4], broadcast with the codes.

    Returns:
        Float32 [..., 4].
    """
    anchor_middle, anchor_size = _middle_and_size(anchors)
    # The bound is that of Detectron (Girshick et al. 2018): beyond it an untrained network's sizes overflow.
    shifts, logs = tf.split(tf.cast(codes, tf.float32) * VARIANCES, 2, axis=-1)
    middle = anchor_middle + shifts * anchor_size
    half = 0.5 * anchor_size * tf.exp(tf.minimum(logs, LARGEST))
    return tf.concat([middle - half, middle + half], axis=-1)


def clip(boxes: tf.Tensor, height: float, width: float) -> tf.Tensor:
    """The parts of boxes [..., 4] inside an image; degenerate for boxes outside of it."""
    return tf.clip_by_value(boxes, 0.0, tf.constant([height, width, height, width], tf.float32))


def _edges(boxes: tf.Tensor) -> list[tf.Tensor]:
    return list(tf.unstack(tf.cast(boxes, tf.float32), axis=-1))


def _middle_and_size(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Centres (row, column) and sizes (height, width), each [..., 2]."""
    low, high = tf.split(tf.cast(boxes, tf.float32), 2, axis=-1)
    return 0.5 * (low + high), high - low
