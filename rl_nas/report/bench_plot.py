"""The plot of `rl_nas bench`: best so far against evaluations."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rl_nas.bench.comparison import Comparison
from rl_nas.bench.runs import Curves
from rl_nas.report.figure_style import own_style
from rl_nas.store.files import write_atomically
from rl_nas.strategies.catalog import STRATEGIES

_PALETTE = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
    "#8A8A8A",
    "#7A3E00",
    "#000000",
]
COLORS = dict(zip(STRATEGIES, _PALETTE, strict=True))
"""A strategy's color in every plot, of Okabe and Ito's palette, a gray and a brown, which color-blind readers
distinguish."""

_FIRST = 10
"""First evaluation shown: earlier ones would dominate the scale."""

_WIDTH, _HEIGHT = 4.6, 3.6
"""Inches of a panel."""
_LETTERS = 40
"""Letters of a title of a panel in a line."""


def draw_bench(comparisons: Sequence[Comparison], path: Path) -> None:
    """Draws the comparisons into an image file; see `bench_figure`."""
    with own_style():
        bench_figure(comparisons).savefig(path, dpi=130)


def bench_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Means over runs, with 95% normal intervals as bands; one column for each comparison.

    The upper row shows the reward that strategies are compared on, the lower one the report, if there is one.
    """
    rows = 2 if any(comparison.reports for comparison in comparisons) else 1
    size = (_WIDTH * len(comparisons) + 0.6, _HEIGHT * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, len(comparisons), squeeze=False, sharex=True)
    for column, comparison in enumerate(comparisons):
        setup, curves = comparison.setup, comparison.curves
        _draw_panel(axes[0, column], curves, "best", f"best {setup.reward_column} so far")
        axes[0, column].axhline(setup.maximum, color="0.4", linewidth=0.8, linestyle=":")
        if comparison.reports:
            _draw_panel(axes[1, column], curves, "report", f"its {setup.report_column}")
        elif rows == 2:
            axes[1, column].remove()
        axes[rows - 1 if comparison.reports else 0, column].set_xlabel("evaluations")
    axes[0, -1].legend(loc="lower right", fontsize=9)
    setup = comparisons[0].setup
    name = _wrapped(setup.table, _LETTERS * len(comparisons))
    what = f"mean of {setup.runs} runs, 95% normal intervals; dotted: maximum"
    figure.suptitle(f"{name}\n{what}", fontsize=10, parse_math=False)
    return figure


def draw_summary(
    budgets: Sequence[int], panels: Mapping[str, Mapping[str, np.ndarray]], title: str, path: Path
) -> None:
    """Draws figures of several columns into an image file.

    Args:
        budgets: evaluations.
        panels: by the name of the figure, of each strategy float [budgets]; of ranks the lowest is at the top.
        title: of the whole.
        path: the file.
    """
    with own_style():
        figure = Figure(figsize=(_WIDTH * len(panels) + 1.6, _HEIGHT), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for of_panel, (name, curves) in zip(axes, panels.items(), strict=True):
            for strategy, values in curves.items():
                of_panel.plot(
                    budgets, values, "o-", color=COLORS[strategy], label=strategy, linewidth=1.6, markersize=4
                )
            of_panel.set(title=name, xlabel="evaluations")
            _scale(of_panel)
            if "rank" in name:
                of_panel.invert_yaxis()
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9)
        figure.suptitle(title, fontsize=10, parse_math=False)
        write_atomically(path, lambda draft: figure.savefig(draft, dpi=130))


def _draw_panel(axes: Axes, curves: Mapping[str, Curves], part: str, title: str) -> None:
    for name, of_strategy in curves.items():
        _draw_curve(axes, getattr(of_strategy, part), name)
    axes.set_title(_wrapped(title, _LETTERS), fontsize=10, parse_math=False)
    _scale(axes)


def _scale(axes: Axes) -> None:
    """Evaluations on a logarithmic axis, as numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda evaluations, _: f"{evaluations:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)


def _draw_curve(axes: Axes, values: np.ndarray, name: str) -> None:
    color, first = COLORS[name], min(_FIRST, values.shape[1]) - 1
    evaluations, values = np.arange(first + 1, values.shape[1] + 1), values[:, first:]
    mean = np.nanmean(values, axis=0)
    error = 1.96 * np.nanstd(values, axis=0) / np.sqrt(len(values))
    axes.plot(evaluations, mean, color=color, label=name, linewidth=1.6)
    axes.fill_between(evaluations, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)


def _wrapped(title: str, letters: int) -> str:
    """The title in lines of at most so many letters, two lines at most."""
    return textwrap.fill(title, letters, max_lines=2, placeholder=" ...")
