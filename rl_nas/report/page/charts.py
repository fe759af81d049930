"""The charts of the page. Trials are points of a source that the page fills in the browser, from its one copy of them.

Texts of others are in axes and factors, which are drawn, not interpreted; `_plain` keeps them from being read as TeX.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure

from rl_nas.report.page.choices import DecisionWorth
from rl_nas.report.page.comparison import SeedGroup
from rl_nas.report.page.curves import RewardCurves
from rl_nas.report.page.pareto import COSTS
from rl_nas.report.page.random_search import RandomSearch
from rl_nas.trial import Trial

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f7f7f")
"""Of runs, of Okabe and Ito's palette, which color-blind readers can distinguish."""

_INK, _GRID, _RANDOM, _FRONT = "#7b8494", "#9aa3b055", "#7f7f7f", "#D55E00"
_TRIALS = "trials"
"""Name of sources that the page fills."""
_POINTS = 1000
"""Points of a line."""
_MOST_BARS = 25
_MANY = 2000
"""Children of which points are small."""
_TOOLS = "pan,box_zoom,wheel_zoom,save,reset"
_SHADES = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")


def chart_items(charts: Mapping[str, figure]) -> dict[str, Any]:
    """The charts as JSON values for `Bokeh.embed`, by their places on the page."""
    return {name: json_item(chart) for name, chart in charts.items()}


def reward_chart(curves: RewardCurves | None, random: RandomSearch | None, children: int) -> figure:
    """Rewards over children, with the best so far, a moving mean and random search where there is a single run."""
    chart = _chart("children", "reward", height=360)
    if random is not None:
        x, band = random.children - 1, {"fill_alpha": 0.18, "color": _RANDOM, "line_width": 0}
        words = "random search, 95%" if random.own else f"random search, estimated from {random.drawn}"
        chart.varea(x, random.low, random.high, fill_alpha=band["fill_alpha"], color=_RANDOM, legend_label=words)
        chart.line(x, random.expected, color=_RANDOM, line_dash="dashed", legend_label=words)
    _points(chart, "trial", "reward", children)
    if curves is not None:
        chart.line(*_thinned(curves.mean), color="#E69F00", line_width=2, legend_label=f"mean of {curves.window}")
        chart.step(*_thinned(curves.best), mode="after", color=_FRONT, line_width=2, legend_label="best so far")
    if chart.legend:
        _quiet(chart)
    return chart


def front_chart(cost: str, name: str, front: Sequence[Trial], children: int) -> figure:
    """Quality against a cost, with the front where there is a single run."""
    chart = _chart(COSTS[cost], name, height=320, x_axis_type="linear" if cost == "latency" else "log")
    chart.xaxis.formatter = NumeralTickFormatter(format="0.[0000]" if cost == "latency" else "0.[00]a")
    _points(chart, cost, "quality", children)
    if front:
        measured = [trial.measurement for trial in front if trial.measurement]
        x, y = [getattr(one, cost) for one in measured], [one.quality for one in measured]
        chart.step(x, y, mode="after", color=_FRONT, line_width=2)
        chart.scatter(x, y, size=9, color=_FRONT, fill_alpha=0, line_width=2)
    return chart


def importance_chart(worth: Sequence[DecisionWorth]) -> figure:
    """The most important decisions."""
    shown = sorted(worth, key=lambda one: -one.importance)[:_MOST_BARS][::-1]
    names = _factors([one.name for one in shown])
    chart = _chart("importance", "", height=60 + 20 * len(names), y_range=FactorRange(*names), x_range=Range1d(0, 1))
    values = [one.importance for one in shown]
    bars = chart.hbar(y="name", right="value", height=0.7, color=COLORS[0], source=_source(name=names, value=values))
    _hover(chart, bars, [("importance", "@value{0.000}"), ("decision", "@name")])
    return chart


def choices_chart(worth: Sequence[DecisionWorth]) -> figure:
    """The mean reward of each choice of the most important decisions."""
    shown = sorted(worth, key=lambda one: -one.importance)[:_MOST_BARS][::-1]
    names = _factors([one.name for one in shown])
    cells = [
        (name, place, _plain(choice.choice), choice.mean, choice.children)
        for name, one in zip(names, shown, strict=True)
        for place, choice in enumerate(one.choices)
        if choice.mean is not None
    ]
    name, place, choice, mean, children = (list(part) for part in zip(*cells, strict=True))
    chart = _chart("choice", "", height=60 + 20 * len(names), y_range=FactorRange(*names))
    colors = _shades(np.array(mean, float))
    source = _source(name=name, place=place, choice=choice, mean=mean, children=children)
    shade = {"field": "mean", "transform": colors}
    boxes = chart.rect("place", "name", 0.96, 0.9, source=source, fill_color=shade, line_color=None)
    _hover(
        chart,
        boxes,
        [("decision", "@name"), ("choice", "@choice"), ("mean reward", "@mean{0.0000}"), ("children", "@children")],
    )
    chart.xaxis.major_label_text_font_size = "9px"
    chart.xaxis.ticker = FixedTicker(ticks=list(range(max(len(one.choices) for one in shown))))
    texts = {tuple(_plain(choice.choice) for choice in one.choices) for one in shown}
    if len(texts) == 1:  # all decisions offer the same
        chart.xaxis.major_label_overrides = dict(enumerate(texts.pop()))
        chart.xaxis.major_label_orientation = 0.5
    chart.add_layout(_color_bar(colors), "right")
    return chart


def health_chart(health: Sequence[Mapping[str, float]], name: str) -> figure:
    """A figure of the strategy's health over updates."""
    bounds = {"y_range": Range1d(0, 1.05)} if name.endswith("_fraction") else {}
    chart = _chart("update", name.replace("_", " "), height=220, **bounds)
    found = [(line["update"], line[name]) for line in health if name in line and "update" in line]
    x, y = np.array(found, float).T if found else (np.zeros(0), np.zeros(0))
    kept = _kept(len(x))
    line = chart.line("x", "y", color=COLORS[0], line_width=2, source=_source(x=x[kept], y=y[kept]))
    _hover(chart, line, [("update", "@x"), (name.replace("_", " "), "@y{0.0000}")], mode="vline")
    return chart


def entropy_chart(health: Sequence[Mapping[str, float]], entropies: Mapping[str, float]) -> figure:
    """The entropy of each decision over updates, as a share of the largest that it can have.

    Args:
        health: figures of each update.
        entropies: the largest entropy of each decision in nats, by the name of its figure.
    """
    lines = [health[place] for place in _kept(len(health), 200)]
    names = _factors([name.partition("/")[2] for name in entropies])
    most = np.array(list(entropies.values()), float)
    shares = np.array([[line.get(name, np.nan) for line in lines] for name in entropies], float) / most[:, np.newaxis]
    chart = _chart("update", "", height=60 + 16 * len(names), y_range=FactorRange(*names))
    first, last = lines[0].get("update", 0), lines[-1].get("update", len(lines))
    colors = LinearColorMapper(palette=_SHADES, low=0, high=1, nan_color="#00000000")
    chart.image([shares], x=first - 0.5, y=0, dw=last - first + 1, dh=len(names), color_mapper=colors)
    chart.add_layout(_color_bar(colors), "right")
    return chart


def curves_chart(trials: Sequence[Trial], name: str, most: int = 200) -> figure:
    """The quality of children after each epoch: the best, and others in equal distances."""
    kept = [trial for trial in trials if trial.measurement and len(trial.measurement.curve) > 1]
    kept = [kept[place] for place in _kept(len(kept), most)]
    chart = _chart("epoch", name, height=320)
    curves = [trial.measurement.curve for trial in kept if trial.measurement]
    epochs = [list(range(1, len(curve) + 1)) for curve in curves]
    source = _source(xs=epochs, ys=list(map(list, curves)), trial=[trial.index for trial in kept])
    lines = chart.multi_line("xs", "ys", color=COLORS[0], line_alpha=0.35, hover_line_color=_FRONT, source=source)
    _hover(chart, lines, [("trial", "@trial"), ("quality", "$y{0.0000}")])
    return chart


def seeds_chart(groups: Sequence[SeedGroup]) -> figure:
    """The best reward so far of groups of runs, with intervals over seeds."""
    chart = _chart("children", "best reward so far", height=360)
    for number, group in enumerate(groups):
        color, label = COLORS[number % len(COLORS)], _plain(group.name)
        if np.isfinite(group.low).any():
            chart.varea(group.children, group.low, group.high, fill_alpha=0.18, color=color)
        if len(group.children):
            chart.step(group.children, group.mean, mode="after", color=color, line_width=2, legend_label=label)
    if chart.legend:
        _quiet(chart)
    return chart


def _chart(x: str, y: str, **options: Any) -> figure:
    chart = figure(
        x_axis_label=_plain(x),
        y_axis_label=_plain(y),
        sizing_mode="stretch_width",
        tools=_TOOLS,
        active_drag="box_zoom",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        **options,
    )
    chart.toolbar.logo = None
    chart.toolbar.autohide = True
    chart.grid.grid_line_color = _GRID
    for part in ("axis_line", "major_tick_line"):
        setattr(chart.axis, f"{part}_color", _INK)
    chart.axis.minor_tick_line_color = None
    chart.axis.major_label_text_color = chart.axis.axis_label_text_color = _INK
    chart.axis.axis_label_text_font_style = "normal"
    return chart


def _points(chart: figure, x: str, y: str, children: int) -> None:
    """Trials, which the page fills in, with what a hover tells of them; a click selects one."""
    names = ("place", "trial", "reward", "quality", *COSTS, "color", "alpha", "run")
    source = ColumnDataSource({name: [] for name in names}, name=_TRIALS)
    size = 6 if children < _MANY else 4
    points = chart.scatter(x, y, size=size, color="color", alpha="alpha", line_color=None, source=source)
    told = [("run", "@run"), ("trial", "@trial"), ("reward", "@reward{0.0000}"), ("quality", "@quality{0.0000}")]
    told += [(words.partition(",")[0], f"@{name}{{0.[0]a}}") for name, words in COSTS.items() if name != "latency"]
    _hover(chart, points, told)
    chart.add_tools(TapTool(renderers=[points]))


def _hover(chart: figure, renderer: Any, tooltips: list[tuple[str, str]], mode: str = "mouse") -> None:
    chart.add_tools(HoverTool(renderers=[renderer], tooltips=tooltips, mode=mode))


def _quiet(chart: figure) -> None:
    """A legend that hides little, and whose entries hide their lines."""
    chart.add_layout(chart.legend[0], "above")
    chart.legend.orientation, chart.legend.click_policy = "horizontal", "hide"
    chart.legend.background_fill_alpha, chart.legend.border_line_color = 0.0, None
    chart.legend.label_text_color, chart.legend.label_text_font_size = _INK, "12px"
    chart.legend.padding, chart.legend.margin, chart.legend.ncols = 0, 4, "auto"


def _color_bar(colors: LinearColorMapper) -> Any:
    return ColorBar(color_mapper=colors, background_fill_color=None, major_label_text_color=_INK, width=10, padding=4)


def _shades(values: np.ndarray) -> LinearColorMapper:
    low, high = float(values.min()), float(values.max())
    return LinearColorMapper(palette=_SHADES, low=low, high=high if high > low else low + 1e-9)


def _source(**columns: Any) -> ColumnDataSource:
    return ColumnDataSource(columns)


def _thinned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places and values of a long line: its changes first of all, then points in equal distances."""
    changed = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    places = changed if len(changed) <= _POINTS else _kept(len(values))
    places = np.union1d(places, [len(values) - 1]).astype(int) if len(values) else places
    return places, values[places]


def _kept(count: int, most: int = _POINTS) -> np.ndarray:
    """Places in equal distances, all of few."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _factors(names: Sequence[str]) -> list[str]:
    """Names of rows, each different."""
    found: dict[str, None] = {}
    for number, name in enumerate(names):
        text = _plain(name)[:60]
        found[text if text not in found else f"{text} ({number})"] = None
    return list(found)


def _plain(text: str) -> str:
    """A text that Bokeh does not take for TeX, for which it would load a library."""
    return text.replace("$$", "$ $").replace("\\(", "( ").replace("\\[", "[ ")
