"""Turning images upright: cameras store them as the sensor lies, and beside them how to turn them (EXIF 2.3)."""

import contextlib
import io

import numpy as np
import tensorflow as tf

from rl_nas.child.data.image_header import UPRIGHT, read_image_header

_JPEG = b"\xff\xd8"


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """The orientation of an image file's content, 1 to 8: int32; 1, upright, for all but JPEG files that say so."""

    def read() -> tf.Tensor:
        # Not stateful: otherwise tf.data would read one image at a time in deterministic runs.
        return tf.ensure_shape(tf.numpy_function(_read_orientation, [encoded], tf.int32, stateful=False), [])

    return tf.cond(tf.strings.substr(encoded, 0, len(_JPEG)) == _JPEG, read, lambda: tf.constant(UPRIGHT))


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image, or a target of its shape, upright.

    Args:
        image: [height, width, channels] as stored.
        orientation: int, 1 to 8, as EXIF counts.

    Returns:
        The same pixels; of shape [width, height, channels] for orientations above 4.
    """
    number = tf.cast(orientation, tf.int32)

    def turn() -> tf.Tensor:
        upright = tf.cond(number > 4, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        upright = tf.cond(_is_one_of(number, (3, 4, 7, 8)), lambda: tf.reverse(upright, [0]), lambda: upright)
        return tf.cond(_is_one_of(number, (2, 3, 6, 7)), lambda: tf.reverse(upright, [1]), lambda: upright)

    return tf.ensure_shape(tf.cond(number > UPRIGHT, turn, lambda: image), [None, None, image.shape[-1]])


def turned_points(points: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns points upright, as `turned` does the pixels around them.

    Args:
        points: row and column, float [..., 2], in fractions of the stored image's height and width.
        orientation: int, 1 to 8, as EXIF counts.

    Returns:
        The same places in fractions of the upright image's sides.
    """
    number = tf.cast(orientation, tf.int32)
    points = tf.where(number > 4, tf.reverse(points, [-1]), points)
    mirrored = tf.stack([_is_one_of(number, (3, 4, 7, 8)), _is_one_of(number, (2, 3, 6, 7))])
    return tf.where(mirrored, 1 - points, points)


def _is_one_of(number: tf.Tensor, numbers: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(number == tf.constant(numbers))


def _read_orientation(encoded: bytes | np.ndarray) -> np.int32:
    """Reads the header alone; what cannot be read is left to the decoder, which says what is wrong."""
    content = encoded if isinstance(encoded, bytes) else encoded.item()  # eagerly an array of objects
    with contextlib.suppress(Exception):
        return np.int32(read_image_header(io.BytesIO(content), ("JPEG",)).orientation)
    return np.int32(UPRIGHT)
