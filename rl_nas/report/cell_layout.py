"""Where the boxes and edges of a cell's picture go: a small layered layout, bottom-up.

The method is Sugiyama's, applied to whole blocks: a block (its two operations side by side, their
combiner centred above them) is one rigid unit, so that nothing has to be routed inside it.

1. The level of a block is its depth, the longest path to it from the cell's inputs (level 0).
2. A state that is read above the next level gets a lane, a vertical line, on every level it passes.
   Its readers share the lane: one line leaves the state, and branches.
3. Each level is ordered by barycentre, then item by item moved to where the fewest edges cross; the
   best of several starts is kept.
4. Horizontal positions minimise the squared horizontal lengths of the edges, given the order; then
   lanes and boxes move to where edges run straight.

Edges bend only between levels, where no box is; none runs through a box. All of it is deterministic.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from typing import NamedTuple

from rl_nas.report.cell_text import OUTPUT_NAME, state_name
from rl_nas.spaces.genotype import CELL_INPUTS, Cell

Point = tuple[float, float]

OP_SIZE = (0.64, 0.42)
COMBINE_SIZE = (0.98, 0.28)
STATE_SIZE = (0.80, 0.34)
CONCAT_SIZE = (1.70, 0.30)
"""Width and height of the boxes in inches; the concatenation is widened to span what enters it."""

_OP_PITCH = OP_SIZE[0] + 0.10  # less than a combiner is wide: straight edges lead up to it
_COMBINE_GAP = 0.24
_UNIT_HEIGHT = OP_SIZE[1] + _COMBINE_GAP + COMBINE_SIZE[1]
_UNIT_MARGIN, _LANE_MARGIN = 0.15, 0.10
_TOP_GAP = 0.34
_LEVEL_GAP, _GAP_PER_INCH, _LARGEST_GAP = 0.42, 0.11, 1.30
_PORT_PITCH, _PORT_SHARE = 0.11, 0.7
_LARGEST_SNAP = 0.15
_LANE_WEIGHT = 4.0
_STARTS, _POSITION_SWEEPS, _STRAIGHTENINGS = 8, 60, 3


@dataclass(frozen=True)
class Box:
    """A labelled box.

    Attributes:
        key: unique in the picture: `state S` (an input, or the combiner of the block that makes state
            S), `op S.K` (operation K of that block), `concat` or `output`.
        kind: `state`, `op`, `add`, `concat`, `output`, or `cell_concat` (the cell's concatenation).
        label: an operation, or the name of the state, as in `cell_text`.
        x: centre, inches from the left.
        y: centre, inches from the bottom.
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
            before. From one to the next the edge is a vertical line, or a curve that is vertical at
            both and takes half of its way to the side at half of its height.
    """

    source: str
    target: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class CellLayout:
    """A laid out cell: it fills the rectangle from (0, 0) to (width, height), in inches."""

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float


class _Item(NamedTuple):
    """What takes one place of a level: an input, a block, or the lane of a state passing by."""

    level: int
    state: int
    lane: bool


class _Link(NamedTuple):
    """The piece of an edge between neighbouring levels; `slot` is the reading operation (lanes: 0)."""

    lower: _Item
    upper: _Item
    slot: int


_Levels = list[list[_Item]]
_Pulls = dict[_Item, list[tuple[_Item, float, float]]]


class _Graph(NamedTuple):
    """The items of each level in no particular order, the links that enter it, and each state's depth."""

    levels: _Levels
    links: list[list[_Link]]
    depth: list[int]

    def carrier(self, state: int, level: int) -> _Item:
        """The item that holds a state at a level: the state itself, or above it its lane."""
        return _Item(level, state, level > self.depth[state])


class _Places(NamedTuple):
    """Where items are, and where links leave the lower item and enter the upper one, in inches."""

    x: dict[_Item, float]
    leave: dict[_Link, float]
    enter: dict[_Link, float]
    bottoms: list[float]
    tops: list[float]


def layout_cell(cell: Cell) -> CellLayout:
    """Places the boxes and edges of a cell.

    Every operation has a box of its own: one edge enters it, and one goes on to its block's combiner.
    Besides, an edge leads from each state of the concat list to the concatenation, and one from there
    to the output. Of a block's operations the left one is that whose input lies further to the left.
    """
    graph = _graph(cell)
    places = _places(graph, _ordered(graph))
    boxes, edges = _blocks(cell, graph, places)
    more_boxes, more_edges = _concat(cell, graph, places)
    return _framed(boxes + more_boxes, edges + more_edges)


def _graph(cell: Cell) -> _Graph:
    """Splits a cell into levels of items, and its edges into links between neighbouring levels."""
    depth = [0] * CELL_INPUTS
    for block in cell.blocks:
        depth.append(1 + max(depth[state] for state in block.inputs))
    top = max(depth) + 1
    # The highest level on which somebody above needs the state.
    last = [top - 1 if state in cell.concat else level for state, level in enumerate(depth)]
    for number, block in enumerate(cell.blocks, start=CELL_INPUTS):
        for state in block.inputs:
            last[state] = max(last[state], depth[number] - 1)
    graph = _Graph([[] for _ in range(top)], [[] for _ in range(top)], depth)
    for state in (1, 0, *range(CELL_INPUTS, len(depth))):  # time runs to the right: h[i-1], h[i]
        for level in range(depth[state], last[state] + 1):
            item = graph.carrier(state, level)
            graph.levels[level].append(item)
            inputs = cell.blocks[state - CELL_INPUTS].inputs if state >= CELL_INPUTS else ()
            for slot, source in enumerate((state,) if item.lane else inputs):
                graph.links[level].append(_Link(graph.carrier(source, level - 1), item, slot))
    return graph


def _ordered(graph: _Graph) -> _Levels:
    """The levels in the best order that several starts lead to; the inputs keep theirs."""
    inputs, *others = graph.levels
    states = list(range(len(graph.depth)))
    shuffle = random.Random(0).shuffle  # a generator of its own: equal cells get equal pictures
    candidates = []
    for _ in range(_STARTS):
        levels = [inputs, *(sorted(level, key=lambda item: states.index(item.state)) for level in others)]
        _sort_by_barycentre(graph, levels)
        _improve(graph, levels)
        candidates.append(levels)
        shuffle(states)
    return min(candidates, key=lambda levels: _disorder(graph, levels, 1, len(levels)))


def _sort_by_barycentre(graph: _Graph, levels: _Levels) -> None:
    """Sorts each level, from the lowest, by the mean rank of what its items read."""
    for level, links in zip(levels[1:], graph.links[1:], strict=True):
        ranks = _ranks(levels)
        below: dict[_Item, list[float]] = {}
        for link in links:
            below.setdefault(link.upper, []).append(ranks[link.lower])
        barycentres = {item: sum(near) / len(near) for item, near in below.items()}
        level.sort(key=barycentres.__getitem__)


def _improve(graph: _Graph, levels: _Levels) -> None:
    """Moves items within their levels for as long as that lowers the disorder."""
    moved = True
    while moved:
        moved = False
        for row, level in enumerate(levels[1:], start=1):
            least = _disorder(graph, levels, row, row + 2)
            for item, place in product(tuple(level), range(len(level))):
                before = list(level)
                level.remove(item)
                level.insert(place, item)
                disorder = _disorder(graph, levels, row, row + 2)
                if disorder < least:
                    least, moved = disorder, True
                else:
                    level[:] = before


def _ranks(levels: _Levels) -> dict[_Item, float]:
    """Each item's rank on its level, counted from the level's middle."""
    return {item: rank - (len(level) - 1) / 2 for level in levels for rank, item in enumerate(level)}


def _disorder(graph: _Graph, levels: _Levels, start: int, stop: int) -> tuple[int, float]:
    """What the links into levels `start` to `stop` - 1 should have little of.

    That is crossings above all, then the distances that they bridge (squared ranks, which are exact).
    """
    ranks = _ranks(levels[start - 1 : stop])
    crossings, length = 0, 0.0
    for links in graph.links[start:stop]:
        ends = sorted((ranks[link.lower], ranks[link.upper]) for link in links)
        length += sum((lower - upper) ** 2 for lower, upper in ends)
        crossings += sum(a[0] < b[0] and a[1] > b[1] for a, b in combinations(ends, 2))
    return crossings, length


def _places(graph: _Graph, levels: _Levels) -> _Places:
    """Turns an order into positions; levels are the further apart the further links go sideways."""
    ranks = _ranks(levels)
    shift: dict[_Link, float] = {}  # how far right of the upper item's centre a link enters it
    for item in (item for level in levels for item in level):
        entering = [link for link in graph.links[item.level] if link.upper == item]
        entering.sort(key=lambda link: (ranks[link.lower], link.slot))
        shift.update(zip(entering, _centred(len(entering), _OP_PITCH), strict=True))
    ports = dict.fromkeys(shift, 0.0)  # how far right of the lower item's centre it leaves that
    x = ranks
    for _ in range(2):  # the ports follow from the positions, and should then bend no link
        x = _positions(levels, shift, ports, x)
        enter = {link: x[link.upper] + shift[link] for link in shift}
        ports = _ports(enter)
    leave = {link: x[link.lower] + port for link, port in ports.items()}
    bottoms, tops = [0.0], [STATE_SIZE[1]]
    for links in graph.links[1:]:
        widest = max(abs(leave[link] - enter[link]) for link in links)
        bottoms.append(tops[-1] + min(_LARGEST_GAP, _LEVEL_GAP + _GAP_PER_INCH * widest))
        tops.append(bottoms[-1] + _UNIT_HEIGHT)
    return _Places(x, leave, enter, bottoms, tops)


def _ports(enter: dict[_Link, float]) -> dict[_Link, float]:
    """Spreads the links that leave an item over its upper side, in order of where they go."""
    leaving: dict[_Item, list[_Link]] = {}
    for link in sorted(enter, key=enter.__getitem__):
        leaving.setdefault(link.lower, []).append(link)
    ports: dict[_Link, float] = {}
    for item, links in leaving.items():
        width = 0.0 if item.lane else _PORT_SHARE * (COMBINE_SIZE if item.level else STATE_SIZE)[0]
        pitch = min(_PORT_PITCH, width / max(1, len(links) - 1))
        ports.update(zip(links, _centred(len(links), pitch), strict=True))
    return ports


def _centred(count: int, pitch: float) -> list[float]:
    """`count` positions around 0, `pitch` apart."""
    return [(rank - (count - 1) / 2) * pitch for rank in range(count)]


def _positions(
    levels: _Levels, shift: dict[_Link, float], ports: dict[_Link, float], start: dict[_Item, float]
) -> dict[_Item, float]:
    """Centres of the items: in turns, each level moves to where its links are shortest."""
    x = dict(start)
    pulls: _Pulls = {item: [] for item in x}
    for link in shift:
        aside = shift[link] - ports[link]
        weight = _LANE_WEIGHT if link.upper.lane else 1.0
        pulls[link.upper].append((link.lower, -aside, weight))
        pulls[link.lower].append((link.upper, aside, weight))
    for level in (*levels, *reversed(levels)) * _POSITION_SWEEPS:
        targets, weights = [], []
        for item in level:
            pull = pulls[item] or [(item, 0.0, 1.0)]
            weights.append(sum(weight for _, _, weight in pull))
            targets.append(sum((x[other] + aside) * weight for other, aside, weight in pull) / weights[-1])
        x.update(zip(level, _spaced(targets, weights, [_span(item) for item in level]), strict=True))
    for _ in range(_STRAIGHTENINGS):
        _straighten(levels, pulls, x)
    return x


def _straighten(levels: _Levels, pulls: _Pulls, x: dict[_Item, float]) -> None:
    """Removes small bends: moves boxes a little, and lanes in runs as long as the space allows."""
    runs: dict[tuple[int, bool], list[_Item]] = {}
    for item in sorted(x):
        runs.setdefault((item.state, item.lane), []).append(item)
    for column in runs.values():
        run: list[_Item] = []
        low, high = -math.inf, math.inf
        for item in column:
            left, right = _room(levels[item.level], item, x)
            if max(low, left) > min(high, right):
                _align(run, low, high, pulls, x)
                run, low, high = [], -math.inf, math.inf
            run, low, high = [*run, item], max(low, left), min(high, right)
        _align(run, low, high, pulls, x)


def _room(level: list[_Item], item: _Item, x: dict[_Item, float]) -> tuple[float, float]:
    """How far an item can go to the left and to the right; its own place is always in between."""
    low, high = -math.inf, math.inf
    place = level.index(item)
    if place > 0:
        low = x[level[place - 1]] + (_span(level[place - 1]) + _span(item)) / 2
    if place + 1 < len(level):
        high = x[level[place + 1]] - (_span(level[place + 1]) + _span(item)) / 2
    return min(low, x[item]), max(high, x[item])


def _align(run: list[_Item], low: float, high: float, pulls: _Pulls, x: dict[_Item, float]) -> None:
    """Puts a run in line with whichever of the ends of its links leaves the least way to the others."""
    ends = [x[other] + aside for item in run for other, aside, _ in pulls[item] if other not in run]
    reach = math.inf if run[0].lane else _LARGEST_SNAP
    places = [min(max(end, low), high) for end in ends]
    places = [place for place in places if abs(place - x[run[0]]) <= reach]
    if places:
        x.update(dict.fromkeys(run, min(places, key=lambda p: sum(abs(p - end) for end in ends))))


def _span(item: _Item) -> float:
    """Width of an item with its margins."""
    if item.lane:
        return 2 * _LANE_MARGIN
    return 2 * _UNIT_MARGIN + (_OP_PITCH + OP_SIZE[0] if item.level else STATE_SIZE[0])


def _spaced(targets: Sequence[float], weights: Sequence[float], spans: Sequence[float]) -> list[float]:
    """The centres nearest to `targets` (weighted least squares) of which no two spans overlap.

    Less the spans it is isotonic regression, which pooling neighbours in the wrong order solves.
    """
    starts = [0.0]
    for left, right in pairwise(spans):
        starts.append(starts[-1] + (left + right) / 2)
    pools: list[tuple[float, float, int]] = []  # mean, weight, size
    for target, own_weight, start in zip(targets, weights, starts, strict=True):
        mean, weight, size = target - start, own_weight, 1
        while pools and pools[-1][0] >= mean:
            other, other_weight, other_size = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, size = weight + other_weight, size + other_size
        pools.append((mean, weight, size))
    means = [mean for mean, _, size in pools for _ in range(size)]
    return [mean + start for mean, start in zip(means, starts, strict=True)]


def _blocks(cell: Cell, graph: _Graph, places: _Places) -> tuple[list[Box], list[Edge]]:
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
            edges.append(Edge(op_key, key, ((op_x, op_top), (op_x, op_top + _COMBINE_GAP))))
    return boxes, edges


def _path(graph: _Graph, places: _Places, state: int, end: int, last: _Link | None) -> list[Point]:
    """The way of a state up to the top of the level before `end`.

    From there `last` leads to its reader; without a link it goes on straight, to the concatenation.
    """
    points = []
    for level in range(graph.depth[state], end):
        item = graph.carrier(state, level)
        link = _Link(item, graph.carrier(state, level + 1), 0) if level + 1 < end else last
        if item.lane:
            points.append((places.x[item], places.bottoms[level]))
        points.append((places.leave[link] if link else places.x[item], places.tops[level]))
    return points


def _concat(cell: Cell, graph: _Graph, places: _Places) -> tuple[list[Box], list[Edge]]:
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
    """Moves everything to where the leftmost thing is at 0."""
    reach = [(box.x - box.width / 2, box.x + box.width / 2) for box in boxes]
    reach += [(x, x) for edge in edges for x, _ in edge.points]
    left = min(start for start, _ in reach)
    return CellLayout(
        boxes=tuple(replace(box, x=box.x - left) for box in boxes),
        edges=tuple(replace(e, points=tuple((x - left, y) for x, y in e.points)) for e in edges),
        width=max(end for _, end in reach) - left,
        height=max(box.y + box.height / 2 for box in boxes),
    )
