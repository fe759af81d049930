"""Pictures of held-out images beside targets and predictions."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rl_nas.evaluation.examples import Examples
from rl_nas.report.figure_style import own_style
from rl_nas.store.files import write_atomically
from rl_nas.tasks.display import Key, Shown

_DPI = 120
_PANEL = 1.7
"""Longer side of a panel, in inches, as all lengths."""
_NARROWEST = 1.3
"""Least width of a cell, for its caption."""
_MARGIN, _GAP, _BETWEEN = 0.2, 0.07, 0.3
_LINE, _TITLE_LINE = 0.17, 0.24
_CHARACTER, _TITLE_CHARACTER = 0.075, 0.1
"""Widths of letters of captions and of headings."""
_SQUARE = 0.14
"""Side of a square of the legend."""
_STRIPE = "#828282"


def draw_examples(examples: Examples, path: Path, title: str) -> None:
    """Writes a PNG: a row of images for each group or more, and a legend of their colors.

    Args:
        examples: at least one image.
        path: the file; an earlier one is replaced atomically.
        title: a heading.

    Raises:
        StorageError: the file cannot be written.
    """
    with own_style():
        figure = examples_figure(examples, title)
        write_atomically(path, lambda draft: figure.savefig(draft, format="png", dpi=_DPI))


def examples_figure(examples: Examples, title: str = "") -> Figure:
    """The picture of examples."""
    sheet = _Sheet(examples)
    titles = textwrap.wrap(title, int((sheet.width - 2 * _MARGIN) / _TITLE_CHARACTER))
    rows = [
        (name, found[start : start + sheet.across], not start)
        for name, found in examples.groups.items()
        for start in range(0, len(found), sheet.across)
    ]
    heights = [sheet.row_height(found) + first * (_TITLE_LINE + _GAP) for _, found, first in rows]
    legend = sheet.legend_lines(examples.legend)
    height = 2 * _MARGIN + len(titles) * _TITLE_LINE + sum(heights) + len(legend) * 1.3 * _LINE + bool(legend) * _GAP
    figure = Figure(figsize=(sheet.width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    top = height - _MARGIN
    for line in titles:
        axes.text(_MARGIN, top, line, va="top", fontsize=10, weight="bold", parse_math=False)
        top -= _TITLE_LINE
    for (name, found, first), tall in zip(rows, heights, strict=True):
        if first:
            axes.text(_MARGIN, top - _GAP, name, va="top", fontsize=9, style="italic", parse_math=False)
        sheet.draw_row(axes, found, top - first * (_TITLE_LINE + _GAP))
        top -= tall
    for entries in legend:
        _draw_legend(axes, entries, top - _GAP)
        top -= 1.3 * _LINE
    axes.set(xlim=(0, sheet.width), ylim=(0, height), aspect="auto")  # images changed them
    axes.set_axis_off()
    return figure


class _Sheet:
    """The measures of a picture.

    Attributes:
        across: images in a row, each with all its panels.
        width: of the picture.
    """

    def __init__(self, examples: Examples) -> None:
        shown = next(iter(examples.groups.values()))[0]
        self._count = len(shown.panels)
        height, width = next(iter(shown.panels.values())).shape[:2]
        longer = _PANEL * shown.scale
        self._width, self._height = (longer * float(side) / max(height, width) for side in (width, height))
        self._cell = max(self._width, _NARROWEST)
        self.across = 4 if self._count == 1 else 2
        self._step = self._count * (self._cell + _GAP) + _BETWEEN
        self.width = 2 * _MARGIN + self.across * self._step - _BETWEEN - _GAP

    def row_height(self, found: Sequence[Shown]) -> float:
        """Height of a row of images with their captions."""
        height: float = self._lines(found) * _LINE + self._height + _BETWEEN / 2
        return height

    def draw_row(self, axes: Axes, found: Sequence[Shown], top: float) -> None:
        """Draws a row of images below a height."""
        low = top - self._lines(found) * _LINE - self._height
        for number, shown in enumerate(found):
            for place, (panel, caption) in enumerate(zip(shown.panels.values(), self._captions(shown), strict=True)):
                left = _MARGIN + number * self._step + place * (self._cell + _GAP)
                axes.text(left, low + self._height + 0.04, "\n".join(caption), fontsize=8, parse_math=False)
                extent = (left, left + self._width, low, low + self._height)
                axes.imshow(panel, extent=extent, interpolation=self._interpolation(panel, place))

    def legend_lines(self, keys: Sequence[Key]) -> list[list[tuple[float, Key]]]:
        """Entries of a legend with their places from the left, line by line."""
        needed = [2.5 * _SQUARE + len(key.name) * _CHARACTER for key in keys]
        room = self.width - 2 * _MARGIN
        if sum(needed) <= room:
            places = [_MARGIN + sum(needed[:number]) for number in range(len(keys))]
            return [list(zip(places, keys, strict=True))] if keys else []
        column = max(needed)
        across = max(1, int(room / column))
        lines = [keys[start : start + across] for start in range(0, len(keys), across)]
        return [[(_MARGIN + place * column, key) for place, key in enumerate(line)] for line in lines]

    def _lines(self, found: Sequence[Shown]) -> int:
        return max(len(caption) for shown in found for caption in self._captions(shown))

    def _captions(self, shown: Shown) -> list[list[str]]:
        """Lines above each panel: its heading, and the image's caption at the last one."""
        *headings, last = shown.panels
        text = f"{last}, {shown.caption}" if headings else shown.caption
        return [textwrap.wrap(one, max(8, int(self._cell / _CHARACTER))) or [""] for one in (*headings, text)]

    def _interpolation(self, panel: np.ndarray, place: int) -> str:
        """Masks are enlarged without colors in between."""
        enlarged = max(panel.shape[:2]) < _PANEL * _DPI
        return "nearest" if enlarged and (place or max(panel.shape[:2]) < 64) else "auto"


def _draw_legend(axes: Axes, entries: Sequence[tuple[float, Key]], top: float) -> None:
    for left, key in entries:
        color = tuple(value / 255 for value in key.color)
        corner = (left, top - _SQUARE)
        axes.add_patch(Rectangle(corner, _SQUARE, _SQUARE, facecolor=color, edgecolor="none"))
        if key.striped:
            hatched = {"facecolor": "none", "edgecolor": _STRIPE, "hatch": "//////", "linewidth": 0}
            axes.add_patch(Rectangle(corner, _SQUARE, _SQUARE, **hatched))  # type: ignore[arg-type]
        axes.add_patch(Rectangle(corner, _SQUARE, _SQUARE, facecolor="none", edgecolor="#333333", linewidth=0.5))
        axes.text(left + 1.5 * _SQUARE, top - _SQUARE / 2, key.name, va="center", fontsize=8, parse_math=False)
