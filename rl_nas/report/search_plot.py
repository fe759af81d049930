"""The rewards of a search as a plot."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rl_nas.trial import Trial

_SIZE = 7.0, 4.0
"""Inches."""
_POINTS, _BEST, _FAILED = "#0072B2", "#D55E00", "#999999"
"""Blue, vermilion (Okabe and Ito), and gray."""


class ShownFigure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def search_figure(trials: Sequence[Trial], title: str = "") -> Figure:
    """Rewards against trials, their best so far, and the trials that failed at the bottom."""
    figure = ShownFigure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    ordered = sorted(trials, key=lambda trial: trial.index)
    rewards = {trial.index: trial.reward for trial in ordered if trial.reward is not None}
    if rewards:
        numbers, values = np.array([*rewards]), np.array([*rewards.values()])
        axes.plot(numbers, values, ".", color=_POINTS, label="trial")
        axes.step(numbers, np.maximum.accumulate(values), where="post", color=_BEST, label="best so far")
    if failed := [trial.index for trial in ordered if trial.reward is None]:
        axes.plot(failed, [0.0] * len(failed), "x", color=_FAILED, label="failed", transform=axes.get_xaxis_transform())
    axes.set(xlabel="trial", ylabel="reward")
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.grid(alpha=0.25)
    if ordered:
        axes.legend(loc="lower right")
    return figure
