"""Cells as a picture, in the manner of figure 4 of the NASNet paper (Zoph et al. 2018)."""

import textwrap
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from rl_nas.networks.families.cell_text import INPUT_NAMES, OUTPUT_NAME
from rl_nas.report.cell_layout import Box, CellLayout, Edge, Point, layout_cell
from rl_nas.spaces.cells import Cell

_FILLS = {
    "state": "#FFFFFF",
    "output": "#FFFFFF",
    "op": "#FBF3D0",
    "add": "#BFE6CF",
    "concat": "#DCCBEF",
    "cell_concat": "#DCCBEF",
}
"""Yellow, green and lilac, which red- and green-blind readers can distinguish; the labels tell the same."""

_EDGE_COLORS = {"state 0": "#0072B2", "state 1": "#D55E00"}
"""Blue and vermilion (Okabe and Ito) for edges from the inputs; all others are dark gray."""

_MATHS = {INPUT_NAMES[0]: "$h_i$", INPUT_NAMES[1]: "$h_{i{-}1}$", OUTPUT_NAME: "$h_{i{+}1}$"}
"""The cell's inputs and output in the picture; braces keep the signs from being spaced out."""

_INK = "#333333"
_LINE = 1.1
_HALO = 3.6
_HEAD_WIDTH, _HEAD_LENGTH = 0.075, 0.095
_MARGIN, _CELL_GAP = 0.25, 0.65
_NAME_HEIGHT = 0.42
_TITLE_LINE, _TITLE_GAP, _TITLE_CHARACTER = 0.18, 0.12, 0.125
_FONT = "DejaVu Sans"
_LINE_PITCH, _HALF_LETTER = 1.2, 0.33
_OWN_LETTERS = 9


def cells_figure(cells: Mapping[str, Cell], title: str = "") -> Figure:
    """Draws cells side by side, blocks with their numbers in `cell_text`.

    Boxes and labels carry their layout's keys as gid.
    """
    layouts = {name: layout_cell(cell) for name, cell in cells.items()}
    width = 2 * _MARGIN + sum(layout.width for layout in layouts.values()) + _CELL_GAP
    title_lines = textwrap.wrap(title, int((width - 2 * _MARGIN) / _TITLE_CHARACTER))
    title_height = _TITLE_LINE * len(title_lines) + (_TITLE_GAP if title_lines else 0.0)
    base = _MARGIN + _NAME_HEIGHT
    height = base + max(layout.height for layout in layouts.values()) + title_height + _MARGIN

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    left = _MARGIN
    for name, layout in layouts.items():
        label = _text(layout.width / 2, -_NAME_HEIGHT, name, 11, va="bottom", weight="bold")
        _place(figure, [*_edge_artists(layout), *_box_artists(layout.boxes), label], left, base)
        left += layout.width + _CELL_GAP
    style = {"va": "top", "weight": "bold", "parse_math": False}
    _place(figure, [_text(width / 2, height - _MARGIN, "\n".join(title_lines), 11, **style)], 0.0, 0.0)
    return figure


def op_label(op: str) -> str:
    """An operation as the paper abbreviates it, on one or two lines: `sep_5x5` is `sep` over `5x5`.

    For the user's own, `module:NAME`, the module is left out, and so are letters that do not fit.
    """
    module, _, name = op.rpartition(":")
    family, _, size = name.partition("_")
    size = size.removeprefix("conv_").removeprefix("pool_").replace("_", "-")
    lines = [line for line in (family, size) if line]
    if module:
        lines = [line if len(line) <= _OWN_LETTERS else f"{line[: _OWN_LETTERS - 1]}…" for line in lines]
    return "\n".join(lines)


def _place(figure: Figure, artists: Iterable[Artist], left: float, bottom: float) -> None:
    """Adds artists, in inches from (left, bottom), to a figure; later ones cover earlier ones."""
    transform = Affine2D().translate(left, bottom) + figure.dpi_scale_trans
    for order, artist in enumerate(artists):
        artist.set_transform(transform)
        artist.set_zorder(order)
        figure.add_artist(artist)


def _edge_artists(layout: CellLayout) -> list[Artist]:
    """All edges; those of a state have a common halo, which separates them from edges that they cross."""
    by_source: dict[str, list[Edge]] = {}
    for edge in layout.edges:
        by_source.setdefault(edge.source, []).append(edge)
    artists: list[Artist] = []
    for source, edges in by_source.items():
        color = _EDGE_COLORS.get(source, _INK)
        curve = _curve(edges)
        artists += [_stroke(curve, "white", _HALO), _stroke(curve, color, _LINE)]
        artists += [_head(edge, color) for edge in edges]
    return artists


def _curve(edges: Iterable[Edge]) -> Curve:
    """The lines of edges up to their heads, without duplicates: overdrawn lines look thicker."""
    pieces: dict[tuple[Point, Point], None] = {}
    for edge in edges:
        *points, (end_x, end_y) = edge.points
        points.append((end_x, end_y - 0.8 * _HEAD_LENGTH))
        pieces.update(dict.fromkeys(pairwise(points)))
    vertices: list[Point] = []
    for (x0, y0), (x1, y1) in pieces:
        middle = (y0 + y1) / 2
        vertices += [(x0, y0), (x0, middle), (x1, middle), (x1, y1)]
    return Curve(vertices, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4] * len(pieces))


def _stroke(curve: Curve, color: str, width: float) -> PathPatch:
    return PathPatch(curve, facecolor="none", edgecolor=color, linewidth=width, capstyle="butt")


def _head(edge: Edge, color: str) -> Polygon:
    x, y = edge.points[-1]
    corners = [(x, y), (x - _HEAD_WIDTH / 2, y - _HEAD_LENGTH), (x + _HEAD_WIDTH / 2, y - _HEAD_LENGTH)]
    return Polygon(corners, closed=True, facecolor=color, edgecolor="none")


def _box_artists(boxes: Iterable[Box]) -> list[Artist]:
    artists: list[Artist] = []
    for box in boxes:
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        style = f"round,pad=0,rounding_size={0.14 if box.kind in ('state', 'output') else 0.05}"
        color = _EDGE_COLORS.get(box.key, _INK)
        patch = FancyBboxPatch(corner, box.width, box.height, boxstyle=style)
        patch.set(facecolor=_FILLS[box.kind], edgecolor=color, linewidth=0.9, gid=box.key)
        artists += [patch, *_label_artists(box)]
    return artists


def _label_artists(box: Box) -> list[Artist]:
    """The lines of a box's label; placed one by one, as baselines then agree between boxes."""
    label, size = _label(box)
    lines = label.split("\n")
    em = size / 72
    first = box.y + (len(lines) - 1) / 2 * _LINE_PITCH * em - _HALF_LETTER * em
    return [
        _text(box.x, first - number * _LINE_PITCH * em, line, size, va="baseline", gid=box.key)
        for number, line in enumerate(lines)
    ]


def _label(box: Box) -> tuple[str, float]:
    """The text of a box, and the size of its letters in points."""
    if box.kind == "op":
        return op_label(box.label), 8
    if box.kind in ("add", "concat"):
        return f"{box.label}: {box.kind}", 8
    if box.kind == "cell_concat":
        return "filter concatenation", 9
    return _MATHS[box.label], 12


def _text(x: float, y: float, text: str, size: float, **style: Any) -> Text:
    return Text(x, y, text, fontsize=size, color="black", ha="center", fontfamily=_FONT, **style)
