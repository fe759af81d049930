"""Headers of image files: their size, and how the image is to be turned upright (EXIF 2.3). No TensorFlow."""

import contextlib
import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import PIL.Image

from rl_nas.regular_files import MIB, check_regular

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Formats of images in files, by Pillow's names; the content says which one a file has, whatever it is called."""

IMAGE_TYPES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Endings of the names of files that are read as images."""

UPRIGHT = 1
"""Orientation of an image that is stored as it is seen."""

USUAL_BITS = 8
"""Bits of a channel of most images."""

MOST_PIXELS = 178_956_970
"""Most pixels of an image that is decoded: half a GiB of RGB. Pillow's limit too; a few kilobytes may declare more."""

EXPECTED = f"expected at most {MOST_PIXELS:,}: resize it"

MOST_BYTES = 1024 * MIB
_TAG = 0x0112
_TIFF_BITS = 258
_PNG_BITS = 24
"""Place of the bits of a channel in a PNG file."""
_MOST_BITS = 16
_TILE = (322, 323)
"""Tags of TIFF: width and height of the tiles that an image is stored in."""
_RUN_LENGTHS, _MOST_SKIPPED = (1, 2), 255
"""Compressions of BMP that may skip lines, and the most that they skip at once."""
_ORIENTATIONS = range(1, 9)
_TRANSPOSED = range(5, 9)
"""Orientations that swap rows and columns."""

warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)  # the limit above is ours
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # what matters is an error, and told in a line


class TooLargeError(ValueError):
    """An image that would take too much memory; the message follows the name of the file."""

    def __init__(self, pixels: int) -> None:
        super().__init__(f"has {pixels} pixels; {EXPECTED}")


class TooDeepError(ValueError):
    """An image of more bits than have a meaning as a picture; the message follows the name of the file."""

    def __init__(self) -> None:
        super().__init__("has 32 or more bits a channel; expected 8 or 16: convert it")


class ImageHeader(NamedTuple):
    """Size and orientation of an image.

    Attributes:
        stored: height and width of the pixels as they are stored.
        orientation: 1 (upright) to 8, as EXIF counts; of formats other than JPEG, which decoders turn, 1.
        animated: whether there are further frames, or pages.
        bits: of a channel.
        transparent: whether there is a channel of transparency, or a color for it.
    """

    stored: tuple[int, int]
    orientation: int = UPRIGHT
    animated: bool = False
    bits: int = USUAL_BITS
    transparent: bool = False

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width of the image turned upright."""
        return self.stored[::-1] if self.orientation in _TRANSPOSED else self.stored


def read_image_header(file: Path | IO[bytes], formats: tuple[str, ...] = FORMATS) -> ImageHeader:
    """The header of an image file; its pixels are not read.

    Args:
        file: its path, or the file.
        formats: those that are allowed, by Pillow's names.

    Raises:
        TooLargeError: it has more than `MOST_PIXELS`, see `check_pixels`.
        TooDeepError: it has pixels of 32 bits.
        OSError: the path is no regular file; see `check_regular`.
        Exception: of many types, as files may be broken in any way.
    """
    if isinstance(file, Path):
        check_regular(file, MOST_BYTES)
    try:
        with PIL.Image.open(file, formats=formats) as image:
            check_pixels(image)
            bits = _bits(image)
            if bits > _MOST_BITS:
                raise TooDeepError
            turn = exif_orientation(image) if image.format in ("JPEG", "MPO") else UPRIGHT
            return ImageHeader(_stored(image), turn, _is_animated(image), bits, image.has_transparency_data)
    except PIL.Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise TooLargeError(int(found[0]) if found else 0) from error


def exif_orientation(image: PIL.Image.Image) -> int:
    """The orientation that an image's EXIF tells, 1 to 8; broken EXIF does not break the image."""
    found = UPRIGHT
    with contextlib.suppress(Exception):
        found = int(image.getexif().get(_TAG, UPRIGHT))
    return found if found in _ORIENTATIONS else UPRIGHT


def _stored(image: PIL.Image.Image) -> tuple[int, int]:
    """Height and width; of a WebP image as it is seen, as Pillow tells those of TIFF images."""
    turned = image.format == "WEBP" and exif_orientation(image) in _TRANSPOSED
    return (image.width, image.height) if turned else (image.height, image.width)


def _bits(image: PIL.Image.Image) -> int:
    """Bits of a channel."""
    if image.format == "PNG":
        return _png_bits(image.fp)  # type: ignore[attr-defined]
    if image.format == "TIFF":
        found = image.tag_v2.get(_TIFF_BITS, USUAL_BITS)  # type: ignore[attr-defined]
        return max(found) if isinstance(found, tuple) else int(found)
    return {"I": 16, "F": 32}.get(image.mode, USUAL_BITS)


def _png_bits(file: IO[bytes]) -> int:
    place = file.tell()
    file.seek(_PNG_BITS)
    found = file.read(1)
    file.seek(place)
    return found[0] if found else USUAL_BITS


def _is_animated(image: PIL.Image.Image) -> bool:
    """Whether a film has several frames; cameras store previews beside a photo (MPO), which are none."""
    if image.format == "MPO":
        return False
    with contextlib.suppress(Exception):  # later frames may be broken
        return bool(getattr(image, "is_animated", False))
    return False


def check_pixels(image: PIL.Image.Image) -> None:
    """Raises `TooLargeError` for an image of more pixels than `MOST_PIXELS`: those that decoders make room for.

    These are all frames of a film, the whole tiles of a TIFF image, and lines that a BMP image skips below its last
    one, as Pillow before 13 makes them.
    """
    pixels = image.height * image.width
    if image.format == "GIF":
        pixels = frames_pixels(image.fp)  # type: ignore[attr-defined]
    elif image.format == "WEBP":
        pixels *= getattr(image, "n_frames", 1)
    elif image.format == "BMP" and image.info.get("compression") in _RUN_LENGTHS:
        pixels += _MOST_SKIPPED * image.width
    elif image.format == "TIFF":
        tags: Mapping[int, int] = image.tag_v2  # type: ignore[attr-defined]
        pixels = max(pixels, math.prod([int(tags.get(side, 0)) for side in _TILE]))
    if pixels > MOST_PIXELS:
        raise TooLargeError(pixels)


def frames_pixels(file: IO[bytes]) -> int:
    """Pixels of a GIF file by the descriptors of its frames (CompuServe 1990, sections 18 to 24).

    Decoders give all frames the largest width and the largest height of any.
    """
    file.seek(10)
    _skip_colors(file, before=2)
    frames = most_width = most_height = 0
    while kind := file.read(1):
        if kind == b"\x2c":
            file.seek(4, 1)
            width, height = (int.from_bytes(file.read(2), "little") for _ in range(2))
            frames, most_width, most_height = frames + 1, max(most_width, width), max(most_height, height)
            _skip_colors(file, before=0)
            file.seek(1, 1)
        elif kind == b"\x21":
            file.seek(1, 1)
        else:
            break
        while size := file.read(1):
            if size == b"\0":
                break
            file.seek(size[0], 1)
    return frames * most_width * most_height


def _skip_colors(file: IO[bytes], before: int) -> None:
    """Skips the flags of a table of colors, some bytes before it, and the table if there is one."""
    flags = (file.read(1) or b"\0")[0]
    file.seek(before + ((3 << 1 + (flags & 7)) if flags & 0x80 else 0), 1)
