"""Targets: computed from the image itself, and moved with it."""

import tensorflow as tf

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.geometry import Geometry

WIDTH = 8


def annotation() -> Annotation:
    """The encoded image is kept as its own target, and decoded where the target is wanted."""
    return Annotation("image", (), lambda example: example["image"], decode=_column, warp=_moved)


def ink_column(image: tf.Tensor) -> tf.Tensor:
    """The mean column of the ink of an image [height, width, 1], in pixels from its left edge."""
    ink = tf.reduce_sum(tf.cast(image, tf.float32), axis=[0, 2])
    columns = tf.range(WIDTH, dtype=tf.float32) + 0.5
    return tf.reduce_sum(ink * columns) / tf.reduce_sum(ink)


def _column(encoded: tf.Tensor) -> tf.Tensor:
    return ink_column(tf.io.decode_image(encoded, expand_animations=False))


def _moved(targets: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """What a crop cuts off is neglected."""
    if geometry.corners is not None:
        targets += tf.cast(geometry.margin - geometry.corners[:, 1], tf.float32)
    if geometry.mirrored is not None:
        targets = tf.where(geometry.mirrored, WIDTH - targets, targets)
    return targets
