"""Targets: computed from the image itself, and moved with it."""

import tensorflow as tf

from rl_nas.child.data.annotation import Annotation, Frame, Target
from rl_nas.child.data.geometry import Geometry, warp_points


def annotation() -> Annotation:
    """The encoded image is kept as its own target, and decoded where the target is wanted."""
    return Annotation("image", (), lambda example: {"column": example["image"]}, decode=_column, warp=_moved)


def ink_column(image: tf.Tensor) -> tf.Tensor:
    """The mean column of the ink of an image [height, width, 1], in pixels from its left edge."""
    ink = tf.reduce_sum(tf.cast(image, tf.float32), axis=[0, 2])
    columns = tf.range(tf.shape(image)[1]) + 1
    return tf.reduce_sum(ink * (tf.cast(columns, tf.float32) - 0.5)) / tf.reduce_sum(ink)


def _column(kept: Target, frame: Frame) -> Target:
    """In pixels of the resized image."""
    image = tf.io.decode_image(kept["column"], expand_animations=False)
    scale = frame.size[1] / tf.cast(frame.original[1], tf.float32)
    return {"column": ink_column(image) * scale}


def _moved(targets: Target, geometry: Geometry) -> Target:
    """What a crop cuts off is neglected."""
    points = tf.stack([tf.zeros_like(targets["column"]), targets["column"]], axis=-1)
    return {"column": warp_points(points[:, tf.newaxis], geometry)[:, 0, 1]}
