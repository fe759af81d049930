"""Refusal of images that would take too much memory, inside of input pipelines, before they are decoded."""

import io

import numpy as np
import tensorflow as tf

from rl_nas.child.data.image_header import EXPECTED, MOST_PIXELS, TooLargeError, read_image_header
from rl_nas.child.data.jpeg_scans import jpeg_scans

TOO_LARGE = "has "
"""Begin of the problem, which follows the name of the file."""

MOST_SCANS = 100
"""Of a progressive JPEG image; encoders make about ten."""

_SCAN = b"\xff\xda"
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_CHUNK, _PNG_SIZES, _PNG_START = 12, 16, 24
"""Place of the first chunk's name, and of width and height, four bytes each, in a PNG file, and bytes up to their end.

Decoders skip chunks that they do not know, also before the header; such files are read by Python.
"""


def size_problem(encoded: tf.Tensor) -> tf.Tensor:
    """What is wrong with the size, or the scans, that an image file's content declares: text, empty if nothing is.

    What cannot be read is left to the decoder, which says what is wrong. Headers of PNG and JPEG files are read by
    TensorFlow, those of others by Python.
    """
    is_png, is_jpeg = _is_png(encoded), _is_jpeg(encoded)

    def pixels() -> tf.Tensor:
        return tf.cond(is_png, lambda: _png_pixels(encoded), lambda: _jpeg_pixels(encoded))

    def told() -> tf.Tensor:
        found = pixels()
        text = tf.strings.join([TOO_LARGE, tf.strings.as_string(found), f" pixels; {EXPECTED}"])
        others = tf.cond(is_jpeg, lambda: _scans_problem(encoded), lambda: tf.constant(""))
        return tf.where(found > MOST_PIXELS, text, others)

    def read() -> tf.Tensor:
        # Not stateful: otherwise tf.data would read one image at a time in deterministic runs.
        return tf.ensure_shape(tf.numpy_function(_read_problem, [encoded], tf.string, stateful=False), [])

    return tf.cond(is_png | is_jpeg, told, read)


def is_png_or_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Whether the content of an image file begins as PNG or JPEG: bool []."""
    return (tf.strings.substr(encoded, 0, len(_PNG)) == _PNG) | _is_jpeg(encoded)


def _is_png(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a file is a PNG image whose header is where it usually is."""
    is_png = (tf.strings.substr(encoded, 0, len(_PNG)) == _PNG) & (tf.strings.length(encoded) >= _PNG_START)
    return is_png & (tf.strings.substr(encoded, tf.where(is_png, _PNG_CHUNK, 0), tf.where(is_png, 4, 0)) == b"IHDR")


def _is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(_JPEG)) == _JPEG


def _png_pixels(encoded: tf.Tensor) -> tf.Tensor:
    sides = tf.io.decode_raw(tf.strings.substr(encoded, _PNG_SIZES, 8), tf.int32, little_endian=False)
    return tf.reduce_prod(tf.cast(sides, tf.int64))


def _jpeg_pixels(encoded: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64))


def _scans_problem(encoded: tf.Tensor) -> tf.Tensor:
    """What is wrong with the number of a JPEG image's scans, each of which may change all of its pixels."""
    content = tf.io.decode_raw(encoded, tf.uint8)
    begins = (content[:-1] == _SCAN[0]) & (content[1:] == _SCAN[1])  # also in metadata, and behind the image

    def counted() -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(_read_scans, [encoded], tf.string, stateful=False), [])

    return tf.cond(tf.math.count_nonzero(begins) > MOST_SCANS, counted, lambda: tf.constant(""))


def _read_scans(encoded: bytes | np.ndarray) -> bytes:
    found = jpeg_scans(_content(encoded))
    return f"{TOO_LARGE}{found:,} scans; expected at most {MOST_SCANS}: save it again".encode() * (found > MOST_SCANS)


def _content(encoded: bytes | np.ndarray) -> bytes:
    return encoded if isinstance(encoded, bytes) else bytes(encoded.item())  # eagerly an array of objects


def _read_problem(encoded: bytes | np.ndarray) -> bytes:
    try:
        read_image_header(io.BytesIO(_content(encoded)))
    except TooLargeError as error:
        return str(error).encode()
    except Exception:
        return b""
    return b""
