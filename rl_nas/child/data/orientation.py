"""Turning images upright: cameras store them as their sensors lie, and the orientation beside them (EXIF 2.3)."""

import contextlib
import io

import PIL.Image
import tensorflow as tf

UPRIGHT = 1
"""Orientation of an image that is stored as it is seen."""

_TAG = 0x0112
_HEADER = 2**17
"""Bytes of a file in which its EXIF is looked for: a JPEG segment ends after 2**16, others may precede it."""


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """The orientation of an encoded image, 1 to 8: int32; 1, upright, if there is none."""
    header = tf.strings.substr(encoded, 0, _HEADER)
    # Not stateful: otherwise tf.data would read one image at a time in deterministic runs.
    found = tf.numpy_function(_read_orientation, [header], tf.int32, stateful=False)
    return tf.ensure_shape(found, [])


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image or a target of its shape upright.

    Args:
        image: [height, width, channels].
        orientation: int, from 1 to 8: that of EXIF.

    Returns:
        The same pixels; for orientations above 4 [width, height, channels].
    """
    number = tf.cast(orientation, tf.int32)

    def turn() -> tf.Tensor:
        upright = tf.cond(number > 4, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        # Of the stored image, or of the transposed one, the rows and the columns that run backwards.
        upright = tf.cond(_in(number, (3, 4, 7, 8)), lambda: tf.reverse(upright, [0]), lambda: upright)
        return tf.cond(_in(number, (2, 3, 6, 7)), lambda: tf.reverse(upright, [1]), lambda: upright)

    shape = tf.TensorShape([None, None, image.shape[-1]])
    return tf.ensure_shape(tf.cond(number > UPRIGHT, turn, lambda: image), shape)


def _in(number: tf.Tensor, numbers: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(number == tf.constant(numbers))


def _read_orientation(header: bytes) -> int:
    import numpy as np

    found = UPRIGHT
    with contextlib.suppress(Exception), PIL.Image.open(io.BytesIO(header)) as image:  # what is no image is told later
        found = int(image.getexif().get(_TAG, UPRIGHT))
    return np.int32(found if 1 <= found <= 8 else UPRIGHT)
