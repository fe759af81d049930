"""What the charts of the page are made of: axes, points of trials, hovers, legends, colors.

Texts of others are in axes and factors, which are drawn, not interpreted; `plain` keeps them from being read as TeX.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import BasicTicker, ColorBar, ColumnDataSource, HoverTool, LinearColorMapper, TapTool
from bokeh.plotting import figure

from rl_nas.report.page.pareto import COSTS

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f7f7f")
"""Of runs, of Okabe and Ito's palette, which color-blind readers can distinguish."""
SHADES = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
"""From low to high."""
POINTS = 1000
"""Most points of a line."""

HOVER = "hover"
"""Name of hovers whose text the page makes."""

_INK, _GRID = "#7b8494", "#9aa3b055"
_TRIALS = "trials"
"""Name of sources that the page fills."""
_MANY = 2000
"""Children of which points are small."""
_WHOLE = ("update", "children", "epoch")
"""Axes without ticks between whole numbers."""
_TOOLS = "pan,box_zoom,wheel_zoom,save,reset"


def chart_of(x: str, y: str, **options: Any) -> figure:
    """An empty chart, as wide as its place, that reads well on light and on dark."""
    chart = figure(
        x_axis_label=plain(x),
        y_axis_label=plain(y),
        sizing_mode="stretch_width",
        tools=_TOOLS,
        active_drag="box_zoom",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        **options,
    )
    if x in _WHOLE:
        chart.xaxis.ticker = BasicTicker(min_interval=1)
    chart.toolbar.logo = None
    chart.toolbar.autohide = True
    chart.grid.grid_line_color = _GRID
    for part in ("axis_line", "major_tick_line"):
        setattr(chart.axis, f"{part}_color", _INK)
    chart.axis.minor_tick_line_color = None
    chart.axis.major_label_text_color = chart.axis.axis_label_text_color = _INK
    chart.axis.axis_label_text_font_style = "normal"
    return chart


def add_points(chart: figure, x: str, y: str, children: int, *, runs: int = 1) -> None:
    """Trials, which the page fills in, and tells of in a hover; a click selects one."""
    names = ("place", "trial", "reward", "quality", *COSTS, "color", "alpha")
    source = ColumnDataSource({name: [] for name in names}, name=_TRIALS)
    size = 6 if children < _MANY else 4
    color = COLORS[0] if runs == 1 else "color"  # names of colors take the browser long, a column of them at least
    points = chart.scatter(x, y, size=size, color=color, alpha="alpha", line_color=None, source=source)
    add_hover(chart, points, [("trial", "@trial")], name=HOVER)
    chart.add_tools(TapTool(renderers=[points]))


def add_hover(
    chart: figure, renderer: Any, tooltips: list[tuple[str, str]], mode: str = "mouse", name: str | None = None
) -> None:
    """What a hover over marks tells; the page itself writes it for those with the name `HOVER`."""
    chart.add_tools(HoverTool(renderers=[renderer], tooltips=tooltips, mode=mode, name=name))


def quiet_legend(chart: figure) -> None:
    """A legend that hides little, and whose entries hide their lines."""
    chart.add_layout(chart.legend[0], "above")
    chart.legend.orientation, chart.legend.click_policy = "horizontal", "hide"
    chart.legend.background_fill_alpha, chart.legend.border_line_color = 0.0, None
    chart.legend.label_text_color, chart.legend.label_text_font_size = _INK, "12px"
    chart.legend.padding, chart.legend.margin, chart.legend.ncols = 0, 4, "auto"


def color_bar(colors: LinearColorMapper) -> Any:
    """The scale of colors beside a chart."""
    return ColorBar(color_mapper=colors, background_fill_color=None, major_label_text_color=_INK, width=10, padding=4)


def shades(values: np.ndarray) -> LinearColorMapper:
    """Colors of values, from the lowest to the highest."""
    low, high = float(values.min()), float(values.max())
    return LinearColorMapper(palette=SHADES, low=low, high=high if high > low else low + max(1e-9, abs(low) / 1e6))


def source_of(**columns: Any) -> ColumnDataSource:
    """Columns of marks."""
    return ColumnDataSource(columns)


def spread_out(count: int, most: int = POINTS) -> np.ndarray:
    """Places in equal distances, all of few."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def factors(names: Sequence[str]) -> list[str]:
    """Names of rows, each different."""
    found: dict[str, None] = {}
    for name in names:
        text = plain(name)[:60]
        while text in found:
            text += "'"
        found[text] = None
    return list(found)


def plain(text: str) -> str:
    """A text that Bokeh does not take for TeX, for which it would load a library."""
    return text.replace("$$", "$ $").replace("\\(", "( ").replace("\\[", "[ ")
