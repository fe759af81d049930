"""The policy over updates, as heat maps: the entropy of decisions, and the probabilities of choices.

Of the latter a menu shows one decision at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import FixedTicker, LinearColorMapper, Range1d
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from rl_nas.report.page.chart_parts import HOVER, add_hover, chart_of, color_bar, plain, spread_out
from rl_nas.report.page.run import PageRun

FEW_ROWS = 60
"""Rows that can be read at once."""
_MOST_ROWS = 2_000
_MOST_CELLS = 60_000
"""Of the heat map, about: updates are thinned out where there are more."""
_MOST_UPDATES = 200
_LONGEST = 40


@dataclass(frozen=True)
class DecisionMap:
    """The policy over updates.

    Attributes:
        updates: their numbers.
        names: of the decisions that have several choices.
        choices: of each, as texts.
        probabilities: float [choices of all decisions, updates]; NaN where a decision has no effect.
        left_out: decisions for which there is no room.
    """

    updates: Sequence[int]
    names: Sequence[str]
    choices: Sequence[Sequence[str]]
    probabilities: np.ndarray
    left_out: int

    @property
    def starts(self) -> list[int]:
        """The first row of each decision, and the number of rows."""
        return [0, *np.cumsum([len(choices) for choices in self.choices]).tolist()]

    def menu(self) -> list[dict[str, Any]]:
        """Parts of the heat map for a menu: name, first row, row after the last, and the label of each row."""
        starts, names = self.starts, [plain(name)[:_LONGEST] for name in self.names]
        labels = [[plain(choice)[:_LONGEST] for choice in choices] for choices in self.choices]
        parts = [
            {"name": name, "from": first, "to": after, "labels": shown}
            for name, first, after, shown in zip(names, starts[:-1], starts[1:], labels, strict=True)
        ]
        if starts[-1] <= FEW_ROWS and len(parts) > 1:
            whole = [f"{name}: {label}" for name, shown in zip(names, labels, strict=True) for label in shown]
            parts.insert(0, {"name": "all decisions", "from": 0, "to": starts[-1], "labels": whole})
        return parts


def decision_map(run: PageRun) -> DecisionMap | None:
    """The recorded probabilities of a run; None if it has none, or no decision has several choices."""
    if not run.decisions:
        return None
    sizes = [len(values) for values in run.decisions[0].probabilities]
    several = [number for number, size in enumerate(sizes) if size > 1]
    rows = np.cumsum([sizes[number] for number in several])
    shown = several[: int(np.searchsorted(rows, _MOST_ROWS, side="right"))]
    if not shown:
        return None
    if run.space is None:
        names = [f"decision {number + 1}" for number in shown]
        choices = [list(map(str, range(sizes[number]))) for number in shown]
    else:
        decisions = [run.space.decisions[number] for number in shown]
        names, choices = [one.name for one in decisions], [list(map(str, one.choices)) for one in decisions]
    most = min(_MOST_UPDATES, max(2, _MOST_CELLS // int(rows[len(shown) - 1])))
    lines = run.decisions[:: -(-len(run.decisions) // most)]
    table = np.array([[value for number in shown for value in line.probabilities[number]] for line in lines], float).T
    starts = np.cumsum([0, *(sizes[number] for number in shown[:-1])])
    sums = np.repeat(np.add.reduceat(table, starts), [sizes[number] for number in shown], axis=0)
    table[sums == 0] = np.nan
    return DecisionMap([line.update for line in lines], names, choices, table, len(several) - len(shown))


def decisions_chart(found: DecisionMap) -> figure:
    """The heat map; the part of the menu that comes first is in view."""
    part = found.menu()[0]
    height = 70 + (14 if part["to"] > 25 else 22) * max(part["to"] - part["from"], *map(len, found.choices), 4)
    chart = _heat_map(found.updates, found.probabilities, "probability", part["labels"], min(height, 900))
    chart.hspan(y=found.starts[1:-1], line_color="#ffffff", line_width=1)
    return chart


def entropy_chart(health: Sequence[Mapping[str, float]], entropies: Mapping[str, float]) -> figure:
    """The entropy of each decision over updates, as a share of the largest that it can have.

    Args:
        health: figures of each update.
        entropies: the largest entropy of each decision in nats, by the name of its figure.
    """
    lines = [health[place] for place in spread_out(len(health), _MOST_UPDATES)]
    names = [plain(name.partition("/")[2])[:_LONGEST] for name in entropies]
    most = np.array(list(entropies.values()), float)
    shares = np.array([[line.get(name, np.nan) for line in lines] for name in entropies], float) / most[:, np.newaxis]
    updates = [int(line.get("update", place)) for place, line in enumerate(lines)]
    return _heat_map(updates, shares, "share of the largest entropy", names, 60 + 16 * len(names))


def _heat_map(updates: Sequence[int], values: np.ndarray, what: str, labels: Sequence[str], height: int) -> figure:
    """Values from 0 to 1, float [rows, updates], the first row at the top; those with a label are in view."""
    first, last, count = updates[0], updates[-1], len(updates)
    step = (last - first) / (count - 1) if count > 1 else 1
    chart = chart_of("update", "", height=height, y_range=Range1d(len(labels), 0))
    chart.x_range.range_padding = 0
    colors = LinearColorMapper(palette=Viridis256, low=0, high=1, nan_color="#00000000")
    place = {"x": first - step / 2, "y": 0, "dw": step * count, "dh": len(values)}
    image = chart.image([values], color_mapper=colors, level="image", **place)
    add_hover(chart, image, [("update", "$x{0}"), (what, "@image{0.0000}")], name=HOVER)
    chart.grid.visible = False
    chart.yaxis.ticker = FixedTicker(ticks=[row + 0.5 for row in range(len(values))])
    chart.yaxis.major_label_overrides = {row + 0.5: label for row, label in enumerate(labels)}
    chart.add_layout(color_bar(colors), "right")
    return chart
