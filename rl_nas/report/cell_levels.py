"""Levels of items of a cell's picture, in an order with few crossings: the first half of its layout.

The method is Sugiyama's, applied to whole blocks: a block (its two operations side by side, their
combiner centered above them) is one rigid unit, so that nothing has to be routed inside it.

1. The level of a block is its depth, the longest path to it from the cell's inputs (level 0).
2. A state that is read above the next level gets a lane, a vertical line, on every level it passes.
   Its readers share the lane: one line leaves the state and branches.
3. Each level is ordered by barycenter, then its items are moved one by one to where the fewest edges
   cross; the best of several starts is kept.
"""

import random
from itertools import combinations, product
from typing import NamedTuple

from rl_nas.spaces.cells import CELL_INPUTS, Cell

_STARTS = 8


class Item(NamedTuple):
    """An occupant of one place of a level: an input, a block, or the lane of a state passing by."""

    level: int
    state: int
    lane: bool


class Segment(NamedTuple):
    """The piece of an edge between neighbouring levels; `slot` is the reading operation (lanes: 0)."""

    lower: Item
    upper: Item
    slot: int


Levels = list[list[Item]]


class LevelGraph(NamedTuple):
    """The items of each level in no particular order, the links that enter it, and each state's depth."""

    levels: Levels
    links: list[list[Segment]]
    depth: list[int]

    def carrier(self, state: int, level: int) -> Item:
        """The item that holds a state at a level: the state itself, or above it its lane."""
        return Item(level, state, level > self.depth[state])


def cell_graph(cell: Cell) -> LevelGraph:
    """Splits a cell into levels of items, and its edges into links between neighbouring levels."""
    depth = [0] * CELL_INPUTS
    for block in cell.blocks:
        depth.append(1 + max(depth[state] for state in block.inputs))
    top = max(depth) + 1
    # The highest level on which a level above needs the state.
    last = [top - 1 if state in cell.concat else level for state, level in enumerate(depth)]
    for number, block in enumerate(cell.blocks, start=CELL_INPUTS):
        for state in block.inputs:
            last[state] = max(last[state], depth[number] - 1)
    graph = LevelGraph([[] for _ in range(top)], [[] for _ in range(top)], depth)
    for state in (1, 0, *range(CELL_INPUTS, len(depth))):  # time runs to the right: h[i-1], h[i]
        for level in range(depth[state], last[state] + 1):
            item = graph.carrier(state, level)
            graph.levels[level].append(item)
            inputs = cell.blocks[state - CELL_INPUTS].inputs if state >= CELL_INPUTS else ()
            for slot, source in enumerate((state,) if item.lane else inputs):
                graph.links[level].append(Segment(graph.carrier(source, level - 1), item, slot))
    return graph


def ordered_levels(graph: LevelGraph) -> Levels:
    """The levels in the best order from several starts; the inputs keep theirs."""
    inputs, *others = graph.levels
    states = list(range(len(graph.depth)))
    shuffle = random.Random(0).shuffle  # a fixed seed: equal cells get equal pictures
    candidates = []
    for _ in range(_STARTS):
        levels = [inputs, *(sorted(level, key=lambda item: states.index(item.state)) for level in others)]
        _sort_by_barycenter(graph, levels)
        _improve(graph, levels)
        candidates.append(levels)
        shuffle(states)
    return min(candidates, key=lambda levels: _disorder(graph, levels, 1, len(levels)))


def _sort_by_barycenter(graph: LevelGraph, levels: Levels) -> None:
    """Sorts each level, from the lowest, by the mean rank of its items' inputs."""
    for level, links in zip(levels[1:], graph.links[1:], strict=True):
        ranks = ranks_of(levels)
        below: dict[Item, list[float]] = {}
        for link in links:
            below.setdefault(link.upper, []).append(ranks[link.lower])
        barycenters = {item: sum(near) / len(near) for item, near in below.items()}
        level.sort(key=barycenters.__getitem__)


def _improve(graph: LevelGraph, levels: Levels) -> None:
    """Moves items within their levels as long as that lowers the disorder."""
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


def ranks_of(levels: Levels) -> dict[Item, float]:
    """Each item's rank on its level, counted from the level's middle."""
    return {item: rank - (len(level) - 1) / 2 for level in levels for rank, item in enumerate(level)}


def _disorder(graph: LevelGraph, levels: Levels, start: int, stop: int) -> tuple[int, float]:
    """Disorder, to be minimized, of the links into levels `start` to `stop` - 1.

    Crossings first, then the distances that links bridge (squared ranks, which are exact).
    """
    ranks = ranks_of(levels[start - 1 : stop])
    crossings, length = 0, 0.0
    for links in graph.links[start:stop]:
        ends = sorted((ranks[link.lower], ranks[link.upper]) for link in links)
        length += sum((lower - upper) ** 2 for lower, upper in ends)
        crossings += sum(a[0] < b[0] and a[1] > b[1] for a, b in combinations(ends, 2))
    return crossings, length
