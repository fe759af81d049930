"""Positions of the items of a cell's picture: the second half of its layout.

Horizontal positions minimize the squared horizontal lengths of the edges, given the order of each
level; then lanes and boxes move to where edges run straight.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rl_nas.report.cell_levels import Item, LevelGraph, Levels, Segment, ranks_of

OP_SIZE = (0.64, 0.42)
COMBINE_SIZE = (0.98, 0.28)
STATE_SIZE = (0.80, 0.34)
"""Width and height of the boxes in inches."""

COMBINE_GAP = 0.24

_OP_PITCH = OP_SIZE[0] + 0.10  # less than a combiner's width: straight edges lead up to it
_UNIT_HEIGHT = OP_SIZE[1] + COMBINE_GAP + COMBINE_SIZE[1]
_UNIT_MARGIN, _LANE_MARGIN = 0.15, 0.10
_LEVEL_GAP, _GAP_PER_INCH, _LARGEST_GAP = 0.42, 0.11, 1.30
_PORT_PITCH, _PORT_FRACTION = 0.11, 0.7
_LARGEST_SNAP = 0.15
_LANE_WEIGHT = 4.0
_POSITION_SWEEPS, _STRAIGHTENINGS = 60, 3

_Pulls = dict[Item, list[tuple[Item, float, float]]]


class Places(NamedTuple):
    """Positions of items, and of the ends of links at the lower and the upper item, in inches."""

    x: dict[Item, float]
    leave: dict[Segment, float]
    enter: dict[Segment, float]
    bottoms: list[float]
    tops: list[float]


def place(graph: LevelGraph, levels: Levels) -> Places:
    """Turns an order into positions; levels are further apart where links go further sideways."""
    ranks = ranks_of(levels)
    shift: dict[Segment, float] = {}  # how far right of the upper item's center a link enters it
    for item in (item for level in levels for item in level):
        entering = [link for link in graph.links[item.level] if link.upper == item]
        entering.sort(key=lambda link: (ranks[link.lower], link.slot))
        shift.update(zip(entering, _centered(len(entering), _OP_PITCH), strict=True))
    ports = dict.fromkeys(shift, 0.0)  # how far right of the lower item's center it leaves it
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
    return Places(x, leave, enter, bottoms, tops)


def _ports(enter: dict[Segment, float]) -> dict[Segment, float]:
    """Spreads the links that leave an item over its upper side, in the order of their targets."""
    leaving: dict[Item, list[Segment]] = {}
    for link in sorted(enter, key=enter.__getitem__):
        leaving.setdefault(link.lower, []).append(link)
    ports: dict[Segment, float] = {}
    for item, links in leaving.items():
        width = 0.0 if item.lane else _PORT_FRACTION * (COMBINE_SIZE if item.level else STATE_SIZE)[0]
        pitch = min(_PORT_PITCH, width / max(1, len(links) - 1))
        ports.update(zip(links, _centered(len(links), pitch), strict=True))
    return ports


def _centered(count: int, pitch: float) -> list[float]:
    """`count` positions around 0, `pitch` apart."""
    return [(rank - (count - 1) / 2) * pitch for rank in range(count)]


def _positions(
    levels: Levels, shift: dict[Segment, float], ports: dict[Segment, float], start: dict[Item, float]
) -> dict[Item, float]:
    """Centers of the items: in turn, each level moves to where its links are shortest."""
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


def _straighten(levels: Levels, pulls: _Pulls, x: dict[Item, float]) -> None:
    """Removes small bends: moves boxes a little, and lanes in runs as long as the space allows."""
    runs: dict[tuple[int, bool], list[Item]] = {}
    for item in sorted(x):
        runs.setdefault((item.state, item.lane), []).append(item)
    for column in runs.values():
        run: list[Item] = []
        low, high = -math.inf, math.inf
        for item in column:
            left, right = _room(levels[item.level], item, x)
            if max(low, left) > min(high, right):
                _align(run, low, high, pulls, x)
                run, low, high = [], -math.inf, math.inf
            run, low, high = [*run, item], max(low, left), min(high, right)
        _align(run, low, high, pulls, x)


def _room(level: list[Item], item: Item, x: dict[Item, float]) -> tuple[float, float]:
    """The leftmost and the rightmost possible place of an item; its present one is always in between."""
    low, high = -math.inf, math.inf
    place = level.index(item)
    if place > 0:
        low = x[level[place - 1]] + (_span(level[place - 1]) + _span(item)) / 2
    if place + 1 < len(level):
        high = x[level[place + 1]] - (_span(level[place + 1]) + _span(item)) / 2
    return min(low, x[item]), max(high, x[item])


def _align(run: list[Item], low: float, high: float, pulls: _Pulls, x: dict[Item, float]) -> None:
    """Aligns a run with the end of one of its links, the one with the least distance to the others."""
    ends = [x[other] + aside for item in run for other, aside, _ in pulls[item] if other not in run]
    reach = math.inf if run[0].lane else _LARGEST_SNAP
    places = [min(max(end, low), high) for end in ends]
    places = [place for place in places if abs(place - x[run[0]]) <= reach]
    if places:
        x.update(dict.fromkeys(run, min(places, key=lambda p: sum(abs(p - end) for end in ends))))


def _span(item: Item) -> float:
    """Width of an item with its margins."""
    if item.lane:
        return 2 * _LANE_MARGIN
    return 2 * _UNIT_MARGIN + (_OP_PITCH + OP_SIZE[0] if item.level else STATE_SIZE[0])


def _spaced(targets: Sequence[float], weights: Sequence[float], spans: Sequence[float]) -> list[float]:
    """The centers nearest to `targets` (weighted least squares) such that no two spans overlap.

    Less the spans it is isotonic regression, which pooling neighbors in the wrong order solves.
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
