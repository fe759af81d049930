"""Headers of image files: their size, and how the image is to be turned upright (EXIF 2.3). No TensorFlow."""

import contextlib
from pathlib import Path
from typing import IO, NamedTuple

import PIL.Image

UPRIGHT = 1
"""Orientation of an image that is stored as it is seen."""

_TAG = 0x0112
_ORIENTATIONS = range(1, 9)
_TRANSPOSED = range(5, 9)
"""Orientations that swap rows and columns."""


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


def read_image_header(file: Path | IO[bytes], formats: tuple[str, ...]) -> ImageHeader:
    """The header of an image file; its pixels are not read.

    Args:
        file: its path, or the file.
        formats: those that are allowed, by Pillow's names.

    Returns:
        Upright for all but JPEG files that say otherwise.

    Raises:
        Exception: of many types, as files may be broken in any way.
    """
    with PIL.Image.open(file, formats=formats) as image:
        return ImageHeader((image.height, image.width), _orientation(image))


def _orientation(image: PIL.Image.Image) -> int:
    found = UPRIGHT
    if image.format == "JPEG":
        with contextlib.suppress(Exception):  # broken EXIF does not break the image
            found = int(image.getexif().get(_TAG, UPRIGHT))
    return found if found in _ORIENTATIONS else UPRIGHT
