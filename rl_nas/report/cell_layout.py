"""The boxes and edges of a cell's picture.

`cell_levels` orders the items, `cell_positions` places them; here they become boxes and edges. Edges
bend only between levels, where no box is; none runs through a box. The layout is deterministic.
"""

from dataclasses import dataclass, replace

from rl_nas.networks.families.cell_text import OUTPUT_NAME, state_name
from rl_nas.report.cell_levels import LevelGraph, Segment, cell_graph, ordered_levels
from rl_nas.report.cell_positions import COMBINE_GAP, COMBINE_SIZE, OP_SIZE, STATE_SIZE, Places, place
from rl_nas.spaces.cells import CELL_INPUTS, Cell

Point = tuple[float, float]

CONCAT_SIZE = (1.70, 0.30)
"""Width and height of the concatenation, in inches; it is widened to span its inputs."""

_TOP_GAP = 0.34


@dataclass(frozen=True)
class Box:
    """A labeled box.

    Attributes:
        key: unique in the picture: `state S` (an input, or the combiner of the block that makes state
            S), `op S.K` (operation K of that block), `concat` or `output`.
        kind: `state`, `op`, `add`, `concat`, `output`, or `cell_concat` (the cell's concatenation).
        label: an operation, or the name of the state, as in `cell_text`.
        x: center, inches from the left.
        y: center, inches from the bottom.
        width: in inches.
        height: in inches.
    """

    key: str
    kind: str
    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Edge:
    """An arrow between two boxes.

    Attributes:
        source: key of the box it leaves.
        target: key of the box it enters.
        points: in inches, from the source's upper to the target's lower side, each above the one
            before. Between two points the edge is a vertical line, or a curve that is vertical at both ends
            and has moved half of its way to the side at half of its height.
    """

    source: str
    target: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class CellLayout:
    """The layout of a cell, which fills the rectangle from (0, 0) to (width, height), in inches."""

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float


def layout_cell(cell: Cell) -> CellLayout:
    """Places the boxes and edges of a cell.

    Every operation has a box: one edge enters it, and one leads to its block's combiner. An edge leads from
    each state of the concat list to the concatenation, and one from there to the output. Of a block's
    operations, the one whose input is further left is on the left.
    """
    graph = cell_graph(cell)
    places = place(graph, ordered_levels(graph))
    boxes, edges = _blocks(cell, graph, places)
    more_boxes, more_edges = _concat(cell, graph, places)
    return _framed(boxes + more_boxes, edges + more_edges)


def _blocks(cell: Cell, graph: LevelGraph, places: Places) -> tuple[list[Box], list[Edge]]:
    """The inputs, and each block with the edges into it."""
    boxes, edges = [], []
    for state in range(CELL_INPUTS):
        x, y = places.x[graph.carrier(state, 0)], STATE_SIZE[1] / 2
        boxes.append(Box(f"state {state}", "state", state_name(state), x, y, *STATE_SIZE))
    links = {(link.upper, link.slot): link for level in graph.links for link in level}
    for state, block in enumerate(cell.blocks, start=CELL_INPUTS):
        item = graph.carrier(state, graph.depth[state])
        x, bottom, top = places.x[item], places.bottoms[item.level], places.tops[item.level]
        key, y = f"state {state}", top - COMBINE_SIZE[1] / 2
        boxes.append(Box(key, block.combine, state_name(state), x, y, *COMBINE_SIZE))
        for slot, (op, source) in enumerate(zip(block.ops, block.inputs, strict=True)):
            link, op_key = links[item, slot], f"op {state}.{slot}"
            op_x, op_top = places.enter[link], bottom + OP_SIZE[1]
            boxes.append(Box(op_key, "op", op, op_x, bottom + OP_SIZE[1] / 2, *OP_SIZE))
            points = (*_path(graph, places, source, item.level, link), (op_x, bottom))
            edges.append(Edge(f"state {source}", op_key, points))
            edges.append(Edge(op_key, key, ((op_x, op_top), (op_x, op_top + COMBINE_GAP))))
    return boxes, edges


def _path(graph: LevelGraph, places: Places, state: int, end: int, last: Segment | None) -> list[Point]:
    """The path of a state up to the top of the level before `end`.

    From there `last` leads to its reader; without a link it goes straight on, to the concatenation.
    """
    points = []
    for level in range(graph.depth[state], end):
        item = graph.carrier(state, level)
        link = Segment(item, graph.carrier(state, level + 1), 0) if level + 1 < end else last
        if item.lane:
            points.append((places.x[item], places.bottoms[level]))
        points.append((places.leave[link] if link else places.x[item], places.tops[level]))
    return points


def _concat(cell: Cell, graph: LevelGraph, places: Places) -> tuple[list[Box], list[Edge]]:
    """The concatenation, the output above it, and the edges into both."""
    end, bottom = len(graph.levels), places.tops[-1] + _TOP_GAP
    paths = {state: _path(graph, places, state, end, None) for state in cell.concat}
    ends = [path[-1][0] for path in paths.values()]
    x, width = (min(ends) + max(ends)) / 2, max(CONCAT_SIZE[0], max(ends) - min(ends) + COMBINE_SIZE[0])
    top = bottom + CONCAT_SIZE[1]
    output_bottom = top + _TOP_GAP
    edges = [Edge(f"state {s}", "concat", (*path, (path[-1][0], bottom))) for s, path in paths.items()]
    edges.append(Edge("concat", "output", ((x, top), (x, output_bottom))))
    boxes = [
        Box("concat", "cell_concat", "concat", x, (bottom + top) / 2, width, CONCAT_SIZE[1]),
        Box("output", "output", OUTPUT_NAME, x, output_bottom + STATE_SIZE[1] / 2, *STATE_SIZE),
    ]
    return boxes, edges


def _framed(boxes: list[Box], edges: list[Edge]) -> CellLayout:
    """Moves everything so that the leftmost point is at 0."""
    reach = [(box.x - box.width / 2, box.x + box.width / 2) for box in boxes]
    reach += [(x, x) for edge in edges for x, _ in edge.points]
    left = min(start for start, _ in reach)
    return CellLayout(
        boxes=tuple(replace(box, x=box.x - left) for box in boxes),
        edges=tuple(replace(e, points=tuple((x - left, y) for x, y in e.points)) for e in edges),
        width=max(end for _, end in reach) - left,
        height=max(box.y + box.height / 2 for box in boxes),
    )
