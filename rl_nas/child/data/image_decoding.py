"""Decoding of image files: PNG and JPEG by TensorFlow, other formats by Pillow; of films the first frame."""

import io
from functools import partial

import numpy as np
import PIL.Image
import tensorflow as tf

from rl_nas.child.data.broken_images import DAMAGED, problem_of
from rl_nas.child.data.image_header import (
    FORMATS,
    UPRIGHT,
    USUAL_BITS,
    TooDeepError,
    exif_orientation,
    read_image_header,
)
from rl_nas.child.data.image_limits import is_png_or_jpeg

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's name of such pixels."""

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""Orientation by EXIF -> what turns such an image upright."""


def decode_image(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes the content of an image file, whatever its name says.

    Transparency is dropped; of channels of 16 bits the upper 8 are taken. JPEG and PNG images stay as they are stored
    (`orientation.turned`), others are turned upright as their EXIF says.

    Args:
        encoded: string; its size has been checked (`size_problem`).
        channels: 1, 3 or 4 of the pixels.

    Returns:
        uint8 [height, width, channels].
    """

    def by_pillow() -> tf.Tensor:
        # Not stateful: otherwise tf.data would read one image at a time in deterministic runs.
        return tf.numpy_function(partial(_decoded, channels), [encoded], tf.uint8, stateful=False)

    def by_tensorflow() -> tf.Tensor:
        return tf.io.decode_image(encoded, channels, expand_animations=False)

    return tf.ensure_shape(tf.cond(is_png_or_jpeg(encoded), by_tensorflow, by_pillow), [None, None, channels])


def image_problem(content: bytes) -> str | None:
    """What is wrong with the content of an image file, after its name; None: it can be decoded. Eagerly."""
    try:
        read_image_header(io.BytesIO(content))
        decode_image(tf.constant(content), 3)
    except tf.errors.OpError:
        return DAMAGED
    except Exception as error:  # of many types: files may be broken in any way
        return problem_of(error)
    return None


def _decoded(channels: int, encoded: bytes | np.ndarray) -> np.ndarray:
    content = encoded if isinstance(encoded, bytes) else encoded.item()  # eagerly an array of objects
    try:
        return _pixels(content, channels)
    except Exception as error:
        raise ValueError(f"image {problem_of(error)}") from error  # which TensorFlow tells as InvalidArgumentError


def _pixels(content: bytes, channels: int) -> np.ndarray:
    """The pixels of the first frame, uint8 [height, width, channels]; errors as of `read_image_header`."""
    bits = read_image_header(io.BytesIO(content)).bits
    with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        turn = exif_orientation(opened) if opened.format == "WEBP" else UPRIGHT  # Pillow turns TIFF images
        opened.load()
        image = _upper_bits(opened, bits) if opened.mode.startswith("I") else opened
        if "transparency" in image.info:
            image = image.convert("RGBA")
        if turn in _TURNS:
            image = image.transpose(_TURNS[turn])
        if image.mode != _MODES[channels]:  # a copy of a large image is large
            image = image.convert(_MODES[channels])
        pixels: np.ndarray = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], channels)


def _upper_bits(image: PIL.Image.Image, bits: int) -> PIL.Image.Image:
    """The upper 8 bits, as TensorFlow takes of PNG images; Pillow would cut values off."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() >= 1 << bits:
        raise TooDeepError
    return PIL.Image.fromarray((values >> (bits - USUAL_BITS)).astype(np.uint8))
