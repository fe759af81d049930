"""Pictures of chains, graphs of NAS benchmarks and dense prediction cells: a column of boxes, and arcs past them."""

import textwrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from rl_nas.networks.families.family import Arrow, Diagram

_BOX_WIDTH, _BOX_HEIGHT = 1.7, 0.34
_LEVEL, _MARGIN = 0.66, 0.3
_TITLE_LINE, _TITLE_GAP, _TITLE_CHARACTER = 0.18, 0.27, 0.115
_SWING, _TEXT = 0.38, 0.4
_FILLS = {"input": "#FFFFFF", "op": "#FBF3D0", "output": "#DCCBEF"}
_INK = "#333333"
_PATCH = {"fc": "white", "ec": "none", "pad": 1}
"""Behind the text of an arrow."""


def graph_figure(graph: Diagram, title: str = "") -> Figure:
    """The picture of a graph."""
    nodes, arrows = graph
    far = max((_reach(arrow) + bool(arrow.text) * _TEXT for arrow in arrows), default=0.0)
    half = _BOX_WIDTH / 2 + far + _MARGIN
    title_lines = textwrap.wrap(title, int((2 * half - 2 * _MARGIN) / _TITLE_CHARACTER))
    title_height = _TITLE_LINE * len(title_lines) + (_TITLE_GAP if title_lines else 0.0)
    top = (len(nodes) - 1) * _LEVEL + _BOX_HEIGHT / 2 + _MARGIN + title_height
    figure = Figure(figsize=(2 * half, top + _BOX_HEIGHT / 2 + _MARGIN))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-half, half), ylim=(-_BOX_HEIGHT / 2 - _MARGIN, top))
    axes.set_axis_off()
    side = 1
    for arrow in sorted(arrows, key=lambda arrow: (arrow.target - arrow.source, arrow.source)):
        curve, middle = _curve(arrow, arrow.side or side)
        side = side if arrow.target == arrow.source + 1 else -side
        axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=10, color=_INK))
        axes.text(*middle, arrow.text, ha="center", va="center", fontsize=7, bbox=_PATCH if arrow.text else None)
    for number, node in enumerate(nodes):
        corner, style = (-_BOX_WIDTH / 2, number * _LEVEL - _BOX_HEIGHT / 2), "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch(corner, _BOX_WIDTH, _BOX_HEIGHT, style, fc=_FILLS[node.kind], ec=_INK, zorder=3))
        axes.text(0, number * _LEVEL, node.text, ha="center", va="center", fontsize=8, zorder=4)
    heading: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 10, "weight": "bold", "parse_math": False}
    axes.text(0, top - _MARGIN, "\n".join(title_lines), **heading)
    return figure


def _reach(arrow: Arrow) -> float:
    """Distance at which an arrow passes the boxes, in inches."""
    passed = arrow.target - arrow.source - 1
    return (_SWING + bool(arrow.text) * _TEXT) * passed**0.8 if passed else 0.0


def _curve(arrow: Arrow, side: int) -> tuple[Curve, tuple[float, float]]:
    """An arrow's curve and its middle: straight up to the next box, or an arc on one side of the column."""
    low, high = arrow.source * _LEVEL, arrow.target * _LEVEL
    if arrow.target == arrow.source + 1:
        return Curve([(0, low + _BOX_HEIGHT / 2), (0, high - _BOX_HEIGHT / 2)]), (0.0, (low + high) / 2)
    edge = side * _BOX_WIDTH / 2
    # The middle of a cubic curve is at three quarters of the way to its control points.
    away = edge + side * _reach(arrow) / 0.75
    points = [(edge, low), (away, low), (away, high), (edge, high)]
    curve = Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
    return curve, (edge + side * _reach(arrow), (low + high) / 2)
