"""The charts of the page. Trials are points that the page fills in, in the browser, from its one copy of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import FactorRange, FixedTicker, LinearColorMapper, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from rl_nas.report.page.chart_parts import (
    COLORS,
    POINTS,
    SHADES,
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


def chart_items(charts: Mapping[str, figure]) -> dict[str, Any]:
    """The charts as JSON values for `Bokeh.embed`, by their places on the page."""
    return {name: json_item(chart) for name, chart in charts.items()}


def reward_chart(curves: RewardCurves | None, random: RandomSearch | None, children: int) -> figure:
    """Rewards over children, with the best so far, a moving mean and random search where there is a single run."""
    chart = chart_of("children", "reward", height=360)
    if random is not None:
        x = random.children - 1
        words = "random search, 95%" if random.own else f"random search, estimated from {random.drawn}"
        chart.varea(x, random.low, random.high, fill_alpha=0.18, color=_RANDOM, legend_label=words)
        chart.line(x, random.expected, color=_RANDOM, line_dash="dashed", legend_label=words)
    add_points(chart, "trial", "reward", children)
    if curves is not None:
        chart.line(*_thinned(curves.mean), color=_MEAN, line_width=2, legend_label=f"mean of {curves.window}")
        chart.step(*_thinned(curves.best), mode="after", color=_FRONT, line_width=2, legend_label="best so far")
    if chart.legend:
        quiet_legend(chart)
    return chart


def front_chart(cost: str, name: str, front: Sequence[Trial], children: int) -> figure:
    """Quality against a cost, with the front where there is a single run."""
    chart = chart_of(COSTS[cost], name, height=320, x_axis_type="linear" if cost == "latency" else "log")
    if cost != "latency":
        chart.xaxis.formatter = NumeralTickFormatter(format="0.[00]a")  # page.js makes the units capitals
    add_points(chart, cost, "quality", children)
    if front:
        measured = [trial.measurement for trial in front if trial.measurement]
        x, y = [getattr(one, cost) for one in measured], [one.quality for one in measured]
        chart.step(x, y, mode="after", color=_FRONT, line_width=2)
        chart.scatter(x, y, size=9, color=_FRONT, fill_alpha=0, line_width=2)
    return chart


def importance_chart(worth: Sequence[DecisionWorth]) -> figure:
    """The most important decisions."""
    shown = sorted(worth, key=lambda one: -one.importance)[:_MOST_BARS][::-1]
    names = factors([one.name for one in shown])
    chart = chart_of("importance", "", height=60 + 20 * len(names), y_range=FactorRange(*names), x_range=Range1d(0, 1))
    values = [one.importance for one in shown]
    bars = chart.hbar(y="name", right="value", height=0.7, color=COLORS[0], source=source_of(name=names, value=values))
    add_hover(chart, bars, [("importance", "@value{0.000}"), ("decision", "@name")])
    return chart


def choices_chart(worth: Sequence[DecisionWorth]) -> figure:
    """The mean reward of each choice of the most important decisions."""
    shown = sorted(worth, key=lambda one: -one.importance)[:_MOST_BARS][::-1]
    names = factors([one.name for one in shown])
    cells = [
        (name, place, plain(choice.choice), choice.mean, choice.children)
        for name, one in zip(names, shown, strict=True)
        for place, choice in enumerate(one.choices)
        if choice.mean is not None
    ]
    name, place, choice, mean, children = (list(part) for part in zip(*cells, strict=True))
    chart = chart_of("choice", "", height=60 + 20 * len(names), y_range=FactorRange(*names))
    colors = shades(np.array(mean, float))
    source = source_of(name=name, place=place, choice=choice, mean=mean, children=children)
    shade = {"field": "mean", "transform": colors}
    boxes = chart.rect("place", "name", 0.96, 0.9, source=source, fill_color=shade, line_color=None)
    add_hover(
        chart,
        boxes,
        [("decision", "@name"), ("choice", "@choice"), ("mean reward", "@mean{0.0000}"), ("children", "@children")],
    )
    chart.xaxis.major_label_text_font_size = "9px"
    chart.xaxis.ticker = FixedTicker(ticks=list(range(max(len(one.choices) for one in shown))))
    texts = {tuple(plain(choice.choice) for choice in one.choices) for one in shown}
    if len(texts) == 1:  # all decisions offer the same
        chart.xaxis.major_label_overrides = dict(enumerate(texts.pop()))
        chart.xaxis.major_label_orientation = 0.5
    chart.add_layout(color_bar(colors), "right")
    return chart


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


def entropy_chart(health: Sequence[Mapping[str, float]], entropies: Mapping[str, float]) -> figure:
    """The entropy of each decision over updates, as a share of the largest that it can have.

    Args:
        health: figures of each update.
        entropies: the largest entropy of each decision in nats, by the name of its figure.
    """
    lines = [health[place] for place in spread_out(len(health), 200)]
    names = factors([name.partition("/")[2] for name in entropies])
    most = np.array(list(entropies.values()), float)
    shares = np.array([[line.get(name, np.nan) for line in lines] for name in entropies], float) / most[:, np.newaxis]
    chart = chart_of("update", "", height=60 + 16 * len(names), y_range=FactorRange(*names))
    first, last = lines[0].get("update", 0), lines[-1].get("update", len(lines))
    colors = LinearColorMapper(palette=SHADES, low=0, high=1, nan_color="#00000000")
    chart.image([shares], x=first - 0.5, y=0, dw=last - first + 1, dh=len(names), color_mapper=colors)
    chart.add_layout(color_bar(colors), "right")
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
