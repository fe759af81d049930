"""Masks in files: images without loss whose values stand for classes, read exactly."""

import io
import math
import struct
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import PIL.Image

from rl_nas.child.data.image_header import MOST_BYTES, MOST_PIXELS, ImageHeader, TooLargeError
from rl_nas.errors import UsageError
from rl_nas.regular_files import check_regular
from rl_nas.tasks.segmentation.bitmap_masks import bitmap, bitmap_values

IGNORE = 255
"""Value of the pixels of a target that are neither learned nor measured."""

UNKNOWN = 254
"""Value, on the way to a target, of pixels that mean nothing: such a mask is refused."""

MAX_CLASSES = UNKNOWN

COLOR = 1 << 24
"""Added to the color 0xRRGGBB of a pixel, so that no color is an index."""

_SIGNATURE, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_GRAY, _RGB, _GRAY_ALPHA, _RGBA = 0, 2, 4, 6


class Header(NamedTuple):
    """The first chunk of a PNG file (W3C 2003, Portable Network Graphics, section 11.2.2).

    Attributes:
        size: height and width in pixels.
        depth: bits of a sample.
        color: type of the colors: 0 gray, 2 RGB, 3 palette, 4 and 6 the first two with an alpha channel.
    """

    size: tuple[int, int]
    depth: int
    color: int


HEADER_BYTES = 33
"""Length of what `read_header` needs of a file."""


def file_size(file: Path) -> tuple[int, int]:
    """Height and width of a mask by the header of its file.

    Raises:
        UsageError: it is no image from which classes can be read.
        OSError: it is no regular file; see `check_regular`.
    """
    check_regular(file, MOST_BYTES)
    with file.open("rb") as opened:
        return mask_size(opened, str(file))


def mask_size(file: IO[bytes], name: str) -> tuple[int, int]:
    """Height and width of a mask.

    Args:
        file: its content, from its start.
        name: of the file, for errors.

    Raises:
        UsageError: it is no image from which classes can be read.
    """
    start = file.read(HEADER_BYTES)
    if _is_png(start, name):
        return read_header(start, name).size
    file.seek(0)
    with bitmap(file, name) as image:
        return image.height, image.width


def _is_png(content: bytes, name: str) -> bool:
    if content[:2] == _JPEG:
        raise UsageError(
            f"mask {name} is a JPEG, which changes the classes of pixels; expected PNG: export masks as PNG"
        )
    return content[:8] == _SIGNATURE


def read_header(content: bytes, name: str) -> Header:
    """The header of a mask in a PNG file.

    Args:
        content: of its file, the first `HEADER_BYTES` at least.
        name: of the file, for errors.

    Raises:
        UsageError: it is not a PNG image, or not one from which classes can be read.
    """
    if content[:8] != _SIGNATURE or content[12:16] != b"IHDR" or len(content) < HEADER_BYTES:
        raise UsageError(f"mask {name} is not a PNG image; export masks as PNG")
    width, height, depth, color = struct.unpack(">IIBB", content[16:26])
    if depth == 16 and color != _GRAY:
        raise UsageError(f"mask {name} has colors of 16 bits; expected gray of 8 or 16 bits, a palette, or 8-bit RGB")
    return Header((height, width), depth, color)


def check_size(size: tuple[int, int], image: ImageHeader, name: str) -> None:
    """Raises `UsageError` for a mask that was not drawn on the stored pixels of its image.

    Such a mask is turned as its image is. Sizes cannot tell a mask of the upright image from one of the stored pixels
    if the image is square, mirrored or upside down.

    Args:
        size: height and width of the mask.
        image: the header of its image.
        name: of the mask's file.
    """
    if size == image.stored:
        return
    found, stored = ("x".join(map(str, one)) for one in (size, image.stored))
    if size == image.seen:
        raise UsageError(
            f"mask {name} has {found} pixels, as its image turned upright; expected {stored}, those that are stored and"
            " that its EXIF turns: turn the mask back, or store the image upright, without an orientation"
        )
    raise UsageError(f"mask {name} has {found} pixels, its image {stored}; expected as many")


def decode_mask(content: bytes, name: str) -> np.ndarray:
    """Decodes a mask exactly.

    Gray images give their samples and palette images their indices, whatever colors these have; images in RGB give
    `COLOR` + 0xRRGGBB. An alpha channel is dropped if all is opaque; where it is not, nobody could say whether a pixel
    has the class of its color.

    Args:
        content: of a PNG, BMP or TIFF file.
        name: of the file, for errors.

    Returns:
        Integers [height, width]: uint8 or uint16 for samples and indices, int32 for colors.

    Raises:
        UsageError: the file is not such an image.
    """
    if not _is_png(content, name):
        with bitmap(io.BytesIO(content), name) as image:
            values = bitmap_values(image, name)
        channels = values.shape[2] if values.ndim == 3 else 1
        return _joined(values, name, alpha=channels in (2, 4), colors=channels in (3, 4))
    header = read_header(content, name)
    if math.prod(header.size) > MOST_PIXELS:
        raise UsageError(f"mask {name} {TooLargeError(math.prod(header.size))}")
    try:
        with PIL.Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            values = np.asarray(image)
    except Exception as error:  # of many types: files may be broken in any way
        raise UsageError(f"mask {name} cannot be decoded; fix or remove it") from error
    if header.color == _GRAY and header.depth < 8:
        values = _samples(values, header.depth)
    alpha, colors = header.color in (_GRAY_ALPHA, _RGBA), header.color in (_RGB, _RGBA)
    return _joined(values, name, alpha=alpha, colors=colors).reshape(header.size)


def _joined(values: np.ndarray, name: str, *, alpha: bool, colors: bool) -> np.ndarray:
    """One value for each pixel, from an opaque alpha channel and colors if there are any."""
    if alpha:
        if np.any(values[..., -1] != 255):
            raise UsageError(f"mask {name} has an alpha channel that is not opaque; export masks without transparency")
        values = values[..., :-1]
    if colors:
        red, green, blue = np.moveaxis(values.astype(np.int32), -1, 0)
        values = COLOR + (red << 16) + (green << 8) + blue
    return values.reshape(values.shape[:2])


def _samples(values: np.ndarray, depth: int) -> np.ndarray:
    """The samples of a gray image of 1, 2 or 4 bits, which Pillow spreads over 0 to 255, or makes booleans."""
    return (values > 0).astype(np.uint8) if depth == 1 else (values // (255 // ((1 << depth) - 1))).astype(np.uint8)


def value_name(value: int) -> str:
    """A value of `decode_mask` as it is written in files and flags: `11`, or `#804080` for a color."""
    return f"#{value - COLOR:06x}" if value >= COLOR else str(value)
