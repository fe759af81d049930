"""Chains and the graphs of the NAS benchmarks as a picture: a column of boxes, and bows past them."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from rl_nas.spaces.chain import ChainGenotype
from rl_nas.spaces.nasbench101 import ModelSpec
from rl_nas.spaces.nasbench201 import EdgeCell

_BOX_WIDTH, _BOX_HEIGHT = 1.7, 0.34
_LEVEL, _MARGIN, _TITLE = 0.66, 0.3, 0.45
_SWING, _LABEL = 0.38, 0.4
_FILLS = {"input": "#FFFFFF", "op": "#FBF3D0", "output": "#DCCBEF"}
_INK = "#333333"
_PATCH = {"fc": "white", "ec": "none", "pad": 1}
"""Behind the label of an arrow."""


class Node(NamedTuple):
    """A box: what is written in it, and its kind (`input`, `op` or `output`)."""

    label: str
    kind: str


class Arrow(NamedTuple):
    """From one node to a later one, with what is written on it."""

    source: int
    target: int
    label: str = ""


def graph_figure(genotype: ChainGenotype | ModelSpec | EdgeCell, title: str = "") -> Figure:
    """The picture of a genotype that is no pair of cells."""
    match genotype:
        case ChainGenotype():
            return _figure(*_chain(genotype), title)
        case ModelSpec():
            return _figure(*_graph(genotype), title)
        case EdgeCell():
            return _figure(*_edge_cell(genotype), title)


def _chain(genotype: ChainGenotype) -> tuple[list[Node], list[Arrow]]:
    nodes, arrows = [Node("image", "input")], []
    for number, layer in enumerate(genotype.layers, start=1):
        strides = "" if layer.strides == (1, 1) else f" /{layer.strides[0]}x{layer.strides[1]}"
        nodes.append(Node(f"{number}: {layer.kernel[0]}x{layer.kernel[1]}, {layer.filters}{strides}", "op"))
        arrows += [Arrow(state, number) for state in layer.inputs]
    nodes.append(Node("concat, classifier", "output"))
    return nodes, arrows + [Arrow(state, len(nodes) - 1) for state in genotype.outputs]


def _graph(genotype: ModelSpec) -> tuple[list[Node], list[Arrow]]:
    spec = genotype.pruned() or genotype
    last = len(spec.ops) - 1
    kinds = {0: "input", last: "output"}
    nodes = [Node(op, kinds.get(vertex, "op")) for vertex, op in enumerate(spec.ops)]
    return nodes, [Arrow(s, vertex) for vertex in range(last + 1) for s in spec.sources(vertex)]


def _edge_cell(genotype: EdgeCell) -> tuple[list[Node], list[Arrow]]:
    nodes = [Node("input", "input"), Node("1", "op"), Node("2", "op"), Node("output", "output")]
    arrows = [Arrow(source, node, op) for node in (1, 2, 3) for source, op in genotype.entering(node)]
    return nodes, [arrow for arrow in arrows if arrow.label != "none"]


def _figure(nodes: Sequence[Node], arrows: Sequence[Arrow], title: str) -> Figure:
    far = max((_reach(arrow) + bool(arrow.label) * _LABEL for arrow in arrows), default=0.0)
    half = _BOX_WIDTH / 2 + far + _MARGIN
    top = (len(nodes) - 1) * _LEVEL + _BOX_HEIGHT / 2 + _MARGIN + (_TITLE if title else 0)
    figure = Figure(figsize=(2 * half, top + _BOX_HEIGHT / 2 + _MARGIN))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-half, half), ylim=(-_BOX_HEIGHT / 2 - _MARGIN, top))
    axes.set_axis_off()
    side = 1
    for arrow in sorted(arrows, key=lambda arrow: (arrow.target - arrow.source, arrow.source)):
        curve, middle = _curve(arrow, side)
        side = side if arrow.target == arrow.source + 1 else -side
        axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=10, color=_INK))
        axes.text(*middle, arrow.label, ha="center", va="center", fontsize=7, bbox=_PATCH if arrow.label else None)
    for number, node in enumerate(nodes):
        corner, style = (-_BOX_WIDTH / 2, number * _LEVEL - _BOX_HEIGHT / 2), "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch(corner, _BOX_WIDTH, _BOX_HEIGHT, style, fc=_FILLS[node.kind], ec=_INK, zorder=3))
        axes.text(0, number * _LEVEL, node.label, ha="center", va="center", fontsize=8, zorder=4)
    axes.text(0, top - _MARGIN, title, ha="center", va="top", fontsize=10, weight="bold")
    return figure


def _reach(arrow: Arrow) -> float:
    """Distance beside the boxes at which an arrow passes, in inches."""
    passed = arrow.target - arrow.source - 1
    return (_SWING + bool(arrow.label) * _LABEL) * passed**0.8 if passed else 0.0


def _curve(arrow: Arrow, side: int) -> tuple[Curve, tuple[float, float]]:
    """An arrow's curve and its middle: straight up to the next box, or in a bow on one side of the column."""
    low, high = arrow.source * _LEVEL, arrow.target * _LEVEL
    if arrow.target == arrow.source + 1:
        return Curve([(0, low + _BOX_HEIGHT / 2), (0, high - _BOX_HEIGHT / 2)]), (0.0, (low + high) / 2)
    edge = side * _BOX_WIDTH / 2
    # A cubic curve passes its middle at three quarters of the way to its control points.
    away = edge + side * _reach(arrow) / 0.75
    points = [(edge, low), (away, low), (away, high), (edge, high)]
    curve = Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
    return curve, (edge + side * _reach(arrow), (low + high) / 2)
