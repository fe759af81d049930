"""Boxes on images, in several line styles, with labels."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

Color = tuple[int, int, int]
Style = tuple[float, ...]
SOLID: Style = ()
DASHED: Style = (7, 4)
DOTTED: Style = (1.5, 2.5)
"""Line styles: lengths of a dash and of the gap behind it, in widths of the line."""

_LINE, _TEXT = 1.5, 10
_DARK, _LIGHT = (0, 0, 0), (255, 255, 255)


class Outline(NamedTuple):
    """A box to be drawn.

    Attributes:
        box: top, left, bottom, right in pixels.
        color: red, green and blue, 0 to 255.
        style: of the line.
        label: above the box; empty: none.
    """

    box: Sequence[float]
    color: Color
    style: Style = SOLID
    label: str = ""


def draw_boxes(image: np.ndarray, outlines: Sequence[Outline], scale: float = 1) -> np.ndarray:
    """An image with boxes; later ones lie above earlier ones, and labels above all boxes.

    Args:
        image: uint8 [height, width, 3].
        outlines: to be drawn; what lies outside of the image is moved to its border.
        scale: of the lines and letters; at 1 they are 1.5 and 10 pixels.

    Returns:
        uint8 [height, width, 3].
    """
    picture = PIL.Image.fromarray(np.ascontiguousarray(image))
    draw, width = ImageDraw.Draw(picture), max(1, round(_LINE * scale))
    font = ImageFont.load_default(_TEXT * scale)
    for outline in outlines:
        dashes = list(_dashes(_edges(outline, picture.size), outline.style, width))
        for margin, color in ((1, _DARK), (0, outline.color)):  # dark edges show a line on a ground of its color
            before, after = width // 2 + margin, (width - 1) // 2 + margin
            for left, top, right, bottom in dashes:
                draw.rectangle((left - before, top - before, right + after, bottom + after), fill=color)
    for outline in outlines:
        if outline.label:
            _draw_label(draw, outline, picture.size, width, font)
    return np.asarray(picture)


def _edges(outline: Outline, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box in an image of a width and height, whole pixels."""
    width, height = size
    top, left, bottom, right = np.clip(outline.box, 0, (height - 1, width - 1) * 2).round().astype(int).tolist()
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _dashes(edges: tuple[int, int, int, int], style: Style, width: int) -> Iterator[tuple[int, int, int, int]]:
    """The parts of a line around a box, before they get their width."""
    left, top, right, bottom = edges
    for start, end in _parts(left, right, style, width):
        yield start, top, end, top
        yield start, bottom, end, bottom
    for start, end in _parts(top, bottom, style, width):
        yield left, start, left, end
        yield right, start, right, end


def _parts(low: int, high: int, style: Style, width: int) -> list[tuple[int, int]]:
    """Starts and ends of the dashes between two corners; one is at each of both."""
    if not style or high - low <= style[0] * width:
        return [(low, high)]
    dash, gap = (length * width for length in style)
    starts = np.linspace(low, high - dash, 1 + max(1, round((high - low - dash) / (dash + gap))))
    return [(round(start), round(start + dash)) for start in starts.tolist()]


def _draw_label(
    draw: ImageDraw.ImageDraw,
    outline: Outline,
    size: tuple[int, int],
    width: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Writes the label above the box, or inside of it where the image ends."""
    left, top, right, bottom = draw.textbbox((0, 0), outline.label, font=font)
    margin = width + 1
    wide, high = round(right - left) + 2 * margin, round(bottom - top) + 2 * margin
    edges = _edges(outline, size)
    column, row = max(0, min(edges[0] - width // 2, size[0] - wide)), edges[1] - width // 2 - high
    row = max(0, edges[1]) if row < 0 else row
    draw.rectangle((column, row, column + wide - 1, row + high - 1), fill=outline.color)
    draw.text((column + margin - left, row + margin - top), outline.label, fill=_ink(outline.color), font=font)


def _ink(color: Color) -> Color:
    """Black or white, whichever can be read on a color (luma of ITU-R BT.601)."""
    return _DARK if np.dot(color, (0.299, 0.587, 0.114)) > 128 else _LIGHT
