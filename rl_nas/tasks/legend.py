"""PNG images with the meaning of their colors beside them."""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from rl_nas.tasks.display import Key

_SIDE = 360
"""Least height of a picture in pixels: smaller images are enlarged by a whole factor."""

_LONGEST = 4 * _SIDE
"""Most pixels of a side, and their square of all, to which images are enlarged."""

_TEXT, _LARGE_TEXT = 14, 96
"""Least and most height of letters in pixels; they grow with the image."""


def enlargement(size: Sequence[int]) -> int:
    """The factor by which an image of a height and width is enlarged."""
    return max(1, min(-(-_SIDE // size[0]), _LONGEST // max(size)))


def enlarged(image: np.ndarray) -> np.ndarray:
    """An image [height, width, channels], each of its pixels a square of as many as `enlargement` says."""
    factor = enlargement(image.shape[:2])
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def legend_png(picture: np.ndarray, legend: Sequence[tuple[Key, str]]) -> bytes:
    """A PNG image of a picture and the meaning of its colors beside it.

    Args:
        picture: uint8 [height, width, 3].
        legend: colors with texts, from the top.
    """
    height, width = picture.shape[:2]
    side = _legend(legend, max(height, _SIDE))
    canvas = PIL.Image.new("RGB", (width + side.width, max(height, side.height)), "white")
    canvas.paste(PIL.Image.fromarray(picture), (0, 0))
    canvas.paste(side, (width, 0))
    return png(canvas)


def png(image: PIL.Image.Image) -> bytes:
    """An image as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _legend(entries: Sequence[tuple[Key, str]], height: int) -> PIL.Image.Image:
    """Squares of the colors, each with its text, in as many columns as the height needs; there may be none."""
    size = min(max(_TEXT, height // 45), _LARGE_TEXT)
    line, font = size * 3 // 2, ImageFont.load_default(size)
    rows = max(1, (height - size) // line)
    columns = [entries[start : start + rows] for start in range(0, len(entries), rows)]
    widths = [2 * line + max(int(font.getlength(text)) for _, text in column) for column in columns]
    picture = PIL.Image.new("RGB", (sum(widths) + size, max(map(len, columns), default=0) * line + size), "white")
    draw, left = ImageDraw.Draw(picture), size
    for column, width in zip(columns, widths, strict=True):
        for number, (key, text) in enumerate(column):
            top = size // 2 + number * line
            draw.rectangle((left, top, left + size, top + size), fill=key.color, outline="black")
            draw.text((left + line, top + size // 2), text, fill="black", font=font, anchor="lm")
        left += width
    return picture
