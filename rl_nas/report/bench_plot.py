"""The plot of `rl_nas bench`: best so far against evaluations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rl_nas.bench.comparison import Comparison

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which color-blind readers can distinguish."""

_FIRST = 10
"""First evaluation shown: earlier ones would dominate the scale."""


def draw_bench(comparisons: Sequence[Comparison], path: Path) -> None:
    """Draws means over runs, with 95% normal intervals as bands, into an image file.

    The upper row shows the reward that strategies are compared on, the lower one the report; one column for
    each comparison.
    """
    figure = Figure(figsize=(4.6 * len(comparisons) + 0.6, 7.2), layout="constrained")
    axes = figure.subplots(2, len(comparisons), squeeze=False, sharex=True)
    for column, comparison in enumerate(comparisons):
        setup = comparison.setup
        for axis, part, title in zip(
            axes[:, column],
            ("best", "report"),
            (f"best {setup.reward_column} so far", f"its {setup.report_column}"),
            strict=True,
        ):
            for (name, curves), color in zip(comparison.curves.items(), _COLORS * 2, strict=False):
                _draw_curve(axis, getattr(curves, part), name, color)
            axis.set_title(title, fontsize=10, parse_math=False)
            axis.set_xscale("log")
            axis.grid(alpha=0.25)
        axes[0, column].axhline(setup.maximum, color="0.4", linewidth=0.8, linestyle=":")
        axes[1, column].set_xlabel("evaluations")
    axes[1, -1].legend(loc="lower right", fontsize=9)
    runs = comparisons[0].setup.runs
    figure.suptitle(
        f"{comparisons[0].setup.table}: mean of {runs} runs, 95% normal intervals; dotted: maximum",
        fontsize=11,
        parse_math=False,
    )
    figure.savefig(path, dpi=130)


def _draw_curve(axis: Axes, values: np.ndarray, name: str, color: str) -> None:
    first = min(_FIRST, values.shape[1]) - 1
    evaluations, values = np.arange(first + 1, values.shape[1] + 1), values[:, first:]
    mean = np.nanmean(values, axis=0)
    error = 1.96 * np.nanstd(values, axis=0) / np.sqrt(len(values))
    axis.plot(evaluations, mean, color=color, label=name, linewidth=1.6)
    axis.fill_between(evaluations, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)
