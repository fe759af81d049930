"""Headers of image files: their size, and how the image is to be turned upright (EXIF 2.3). No TensorFlow."""

import contextlib
import re
import warnings
from pathlib import Path
from typing import IO, NamedTuple

import PIL.Image

from rl_nas.regular_files import MIB, check_regular

UPRIGHT = 1
"""Orientation of an image that is stored as it is seen."""

MOST_PIXELS = 178_956_970
"""Most pixels of an image that is decoded: half a GiB of RGB. Pillow's limit too; a few kilobytes may declare more."""

EXPECTED = f"expected at most {MOST_PIXELS:,}: resize it"

MOST_BYTES = 1024 * MIB
_TAG = 0x0112
_ORIENTATIONS = range(1, 9)
_TRANSPOSED = range(5, 9)
"""Orientations that swap rows and columns."""

warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)  # the limit above is ours


class TooLargeError(ValueError):
    """An image that would take too much memory; the message follows the name of the file."""

    def __init__(self, pixels: int) -> None:
        super().__init__(f"has {pixels} pixels; {EXPECTED}")


class ImageHeader(NamedTuple):
    """Size and orientation of an image.

    Attributes:
        stored: height and width of the pixels as they are stored.
        orientation: 1 (upright) to 8, as EXIF counts.
    """

    stored: tuple[int, int]
    orientation: int = UPRIGHT

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width of the image turned upright."""
        return self.stored[::-1] if self.orientation in _TRANSPOSED else self.stored


def read_image_header(file: Path | IO[bytes], formats: tuple[str, ...] | None = None) -> ImageHeader:
    """The header of an image file; its pixels are not read.

    Args:
        file: its path, or the file.
        formats: those that are allowed, by Pillow's names; None: all.

    Returns:
        Upright for all but JPEG files that say otherwise.

    Raises:
        TooLargeError: it has more than `MOST_PIXELS`, in all frames together.
        OSError: the path is no regular file; see `check_regular`.
        Exception: of many types, as files may be broken in any way.
    """
    if isinstance(file, Path):
        check_regular(file, MOST_BYTES)
    try:
        with PIL.Image.open(file, formats=formats) as image:
            if image.format in ("GIF", "WEBP"):
                _check_frames(image)
            return ImageHeader((image.height, image.width), _orientation(image))
    except PIL.Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise TooLargeError(int(found[0]) if found else 0) from error


def _check_frames(image: PIL.Image.Image) -> None:
    """Decoders of films read all frames at once."""
    if image.format == "GIF":
        pixels = frames_pixels(image.fp)  # type: ignore[attr-defined]
    else:
        pixels = image.height * image.width * getattr(image, "n_frames", 1)
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


def _orientation(image: PIL.Image.Image) -> int:
    found = UPRIGHT
    if image.format == "JPEG":
        with contextlib.suppress(Exception):  # broken EXIF does not break the image
            found = int(image.getexif().get(_TAG, UPRIGHT))
    return found if found in _ORIENTATIONS else UPRIGHT
