"""The charts of the page. Trials are points that the page fills in, in the browser, from its one copy of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import FactorRange, FixedTicker, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from rl_nas.report.page.chart_parts import (
    COLORS,
    POINTS,
    add_hover,
    add_points,
    chart_of,
    color_bar,
    factors,
    plain,
    quiet_legend,
    shades,
    source_of,
    spread_out,
)
from rl_nas.report.page.choices import DecisionWorth
from rl_nas.report.page.comparison import SeedGroup
from rl_nas.report.page.curves import RewardCurves
from rl_nas.report.page.pareto import COSTS
from rl_nas.report.page.random_search import RandomSearch
from rl_nas.trial import Trial

_RANDOM, _FRONT, _MEAN = "#7f7f7f", "#D55E00", "#E69F00"
_MOST_BARS = 25
_LONGEST_CHOICE = 12
"""Letters of a choice in a cell."""


def chart_items(charts: Mapping[str, figure]) -> dict[str, Any]:
    """The charts as JSON values for `Bokeh.embed`, by their places on the page."""
    return {name: json_item(chart) for name, chart in charts.items()}


def reward_chart(curves: RewardCurves | None, random: RandomSearch | None, children: int, *, runs: int = 1) -> figure:
    """Rewards over children, with the best so far, a moving mean and random search where there is a single run."""
    chart = chart_of("children", "reward", height=360)
    add_points(chart, "trial", "reward", children, runs=runs)
    if random is not None:  # above the points, which would hide it
        x = random.children - 1
        words = "random search, 95%" if random.own else f"random search, estimated from {random.drawn}"
        chart.varea(x, random.low, random.high, fill_alpha=0.3, color=_RANDOM, legend_label=words)
        for edge in (random.low, random.high):
            chart.line(x, edge, color=_RANDOM, line_width=1, legend_label=words)
        chart.line(x, random.expected, color=_RANDOM, line_width=2, line_dash="dashed", legend_label=words)
    if curves is not None:
        chart.line(*_thinned(curves.mean), color=_MEAN, line_width=2, legend_label=f"mean of {curves.window}")
        chart.step(*_thinned(curves.best), mode="after", color=_FRONT, line_width=2, legend_label="best so far")
    if chart.legend:
        quiet_legend(chart)
    return chart


def front_chart(cost: str, name: str, front: Sequence[Trial], children: int, *, runs: int = 1) -> figure:
    """Quality against a cost, with the front where there is a single run."""
    chart = chart_of(COSTS[cost], name, height=320, x_axis_type="linear" if cost == "latency" else "log")
    if cost != "latency":
        chart.xaxis.formatter = NumeralTickFormatter(format="0.[00]a")  # page.js makes the units capitals
    add_points(chart, cost, "quality", children, runs=runs)
    if front:
        measured = [trial.measurement for trial in front if trial.measurement]
        x, y = [getattr(one, cost) for one in measured], [one.quality for one in measured]
        chart.step(x, y, mode="after", color=_FRONT, line_width=2)
        chart.scatter(x, y, size=9, color=_FRONT, fill_alpha=0, line_width=2)
    return chart


def importance_chart(worth: Sequence[DecisionWorth]) -> figure:
    """The most important decisions."""
    shown = most_important(worth)[::-1]
    names = factors([one.name for one in shown])
    chart = chart_of("importance", "", height=60 + 20 * len(names), y_range=FactorRange(*names), x_range=Range1d(0, 1))
    values = [one.importance for one in shown]
    bars = chart.hbar(y="name", right="value", height=0.7, color=COLORS[0], source=source_of(name=names, value=values))
    add_hover(chart, bars, [("importance", "@value{0.000}"), ("decision", "@name")])
    return chart


def choices_chart(worth: Sequence[DecisionWorth]) -> figure:
    """The mean reward of each choice of the most important decisions, with the names of the choices."""
    shown = most_important(worth)[::-1]
    names, shared = factors([one.name for one in shown]), share_choices(worth)
    bounds = {"x_range": Range1d(-0.5, max(len(one.choices) for one in shown) - 0.5), "y_range": FactorRange(*names)}
    chart = chart_of("choice" if shared else "", "", height=60 + 20 * len(names), **bounds)
    cells = [
        (name, place, plain(choice.choice), choice.mean, choice.children)
        for name, one in zip(names, shown, strict=True)
        for place, choice in enumerate(one.choices)
        if choice.mean is not None
    ]
    name, place, choice, mean, children = (list(part) for part in zip(*cells, strict=True))
    colors, bright = shades(np.array(mean, float)), np.array(mean) - min(mean) > 0.6 * (max(mean) - min(mean))
    source = source_of(
        name=name,
        place=place,
        choice=choice,
        mean=mean,
        children=children,
        text=[short(one) for one in choice],
        ink=np.where(bright, "#111111", "#ffffff").tolist(),
    )
    shade = {"field": "mean", "transform": colors}
    boxes = chart.rect("place", "name", 0.96, 0.9, source=source, fill_color=shade, line_color=None)
    told = [("decision", "@name"), ("choice", "@choice"), ("mean reward", "@mean{0.0000}"), ("children", "@children")]
    add_hover(chart, boxes, told)
    chart.grid.visible = False
    chart.xaxis.ticker = FixedTicker(ticks=list(range(max(len(one.choices) for one in shown))))
    if shared:
        chart.xaxis.major_label_text_font_size = "11px"
        chart.xaxis.major_label_overrides = dict(enumerate(map(plain, shown[0].names)))
        chart.xaxis.major_label_orientation = 0.5
    else:
        chart.xaxis.visible = False
        style = {"text_align": "center", "text_baseline": "middle", "text_font_size": "10px"}
        chart.text("place", "name", text="text", text_color="ink", source=source, **style)
    chart.add_layout(color_bar(colors), "right")
    return chart


def choices_width(worth: Sequence[DecisionWorth]) -> int:
    """The pixels that the names of the choices in their cells need; 0: they are below the chart."""
    if share_choices(worth):
        return 0
    shown = most_important(worth)
    longest = max(len(short(choice)) for one in shown for choice in one.names)
    return 190 + max(len(one.choices) for one in shown) * round(8 + 5.3 * longest)


def most_important(worth: Sequence[DecisionWorth]) -> list[DecisionWorth]:
    """The decisions that charts show, the most important first."""
    return sorted(worth, key=lambda one: -one.importance)[:_MOST_BARS]


def share_choices(worth: Sequence[DecisionWorth]) -> bool:
    """Whether all decisions that are shown offer the same choices."""
    return len({one.names for one in most_important(worth)}) == 1


def short(choice: str) -> str:
    """A choice as it fits into a cell."""
    text = plain(choice)
    return text if len(text) <= _LONGEST_CHOICE else f"{text[: _LONGEST_CHOICE - 1]}…"


def health_chart(health: Sequence[Mapping[str, float]], name: str) -> figure:
    """A figure of the strategy's health over updates."""
    bounds = {"y_range": Range1d(0, 1.05)} if name.endswith("_fraction") else {}
    chart = chart_of("update", name.replace("_", " "), height=220, **bounds)
    found = [(line["update"], line[name]) for line in health if name in line and "update" in line]
    x, y = np.array(found, float).T if found else (np.zeros(0), np.zeros(0))
    places = spread_out(len(x))
    line = chart.line("x", "y", color=COLORS[0], line_width=2, source=source_of(x=x[places], y=y[places]))
    add_hover(chart, line, [("update", "@x"), (name.replace("_", " "), "@y{0.0000}")], mode="vline")
    return chart


def curves_chart(trials: Sequence[Trial], name: str, most: int = 200) -> figure:
    """The quality of children after each epoch: the best, and others in equal distances."""
    kept = [trial for trial in trials if trial.measurement and len(trial.measurement.curve) > 1]
    kept = [kept[place] for place in spread_out(len(kept), most)]
    chart = chart_of("epoch", name, height=320)
    curves = [trial.measurement.curve for trial in kept if trial.measurement]
    epochs = [list(range(1, len(curve) + 1)) for curve in curves]
    source = source_of(xs=epochs, ys=list(map(list, curves)), trial=[trial.index for trial in kept])
    lines = chart.multi_line("xs", "ys", color=COLORS[0], line_alpha=0.35, hover_line_color=_FRONT, source=source)
    add_hover(chart, lines, [("trial", "@trial"), ("quality", "$y{0.0000}")])
    return chart


def seeds_chart(groups: Sequence[SeedGroup]) -> figure:
    """The best reward so far of groups of runs, with intervals over seeds."""
    chart = chart_of("children", "best reward so far", height=360)
    for number, group in enumerate(groups):
        color, label = COLORS[number % len(COLORS)], plain(group.name)
        if np.isfinite(group.low).any():
            chart.varea(group.children, group.low, group.high, fill_alpha=0.18, color=color)
        if len(group.children):
            chart.step(group.children, group.mean, mode="after", color=color, line_width=2, legend_label=label)
    if chart.legend:
        quiet_legend(chart)
    return chart


def _thinned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places and values of a long line: its changes first of all, then points in equal distances."""
    changed = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    places = changed if len(changed) <= POINTS else spread_out(len(values))
    places = np.union1d(places, [len(values) - 1]).astype(int) if len(values) else places
    return places, values[places]
