"""Masks in BMP and TIFF files, as far as their values are those that were written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
import PIL.Image

from rl_nas.child.data.broken_images import problem_of
from rl_nas.child.data.image_header import MOST_PIXELS, check_pixels
from rl_nas.errors import UsageError

_FORMATS = ("BMP", "TIFF")
_LOSSY = ("tiff_jpeg", "jpeg", "webp", "tiff_sgilog", "tiff_sgilog24", "tiff_thunderscan")
"""Compressions of TIFF, by Pillow's names."""
_BITS, _PHOTOMETRIC = 258, 262
"""Tags of TIFF (TIFF 6.0, 1992): bits of a sample; what the samples mean."""
_EXACT_BITS, _EXACT_MEANINGS = {8, 16}, (1, 2, 3)
"""Those with which Pillow gives the samples themselves: gray from black on, RGB, a palette."""
_MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B")


@contextmanager
def bitmap(file: IO[bytes], name: str) -> Iterator[PIL.Image.Image]:
    """Opens a mask.

    Args:
        file: its content.
        name: of the file, for errors.

    Raises:
        UsageError: it is no such image, or one whose values are no classes.
    """
    try:
        image = PIL.Image.open(file, formats=_FORMATS)
    except PIL.Image.DecompressionBombError as error:
        raise UsageError(f"mask {name} has more than {MOST_PIXELS} pixels; expected fewer: cut it") from error
    except Exception as error:  # of many types: files may be broken in any way
        raise UsageError(f"mask {name} is not a PNG image, nor BMP or TIFF; export masks as PNG") from error
    with image:
        problem = _problem(image)
        if problem:
            raise UsageError(f"mask {name} has {problem}; export masks as PNG")
        yield image


def bitmap_values(image: PIL.Image.Image, name: str) -> np.ndarray:
    """Samples, indices or channels of a mask: integers [height, width] or [height, width, channels].

    Raises:
        UsageError: the pixels cannot be decoded, or are too many.
    """
    try:
        check_pixels(image)
        values: np.ndarray = np.asarray(image)
    except Exception as error:  # as above
        raise UsageError(f"mask {name} {problem_of(error)}") from error
    return values.astype(np.uint16 if image.mode.startswith("I") else np.uint8)


def _problem(image: PIL.Image.Image) -> str | None:
    """What of an image may change its values."""
    if image.info.get("compression") in _LOSSY:
        return f"the compression {image.info['compression']}, which changes the classes of pixels"
    if image.mode not in _MODES:
        return f"pixels of Pillow's mode {image.mode}"
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, meaning = tags.get(_BITS, (1,)), tags.get(_PHOTOMETRIC)
        if not _EXACT_BITS.issuperset(bits) or (image.mode.startswith("RGB") and max(bits) > 8):
            return f"samples of {', '.join(map(str, sorted(set(bits))))} bits"
        if meaning not in _EXACT_MEANINGS:
            return "samples that do not begin at black, or are no gray, RGB or palette"
    return None
