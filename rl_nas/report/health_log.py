"""The figures of a strategy's health, update by update: a file of JSON lines, and TensorBoard."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rl_nas.checkpoint import REBUILD
from rl_nas.report.figure_log import FigureLog
from rl_nas.report.trial_sessions import known_figures
from rl_nas.store.files import storage_errors
from rl_nas.trial import Trial

BEST_CELLS = "best/cells"
"""Tag of pictures of the best networks."""


class HealthLog(FigureLog):
    """Writes figures once, also if a continued run repeats its earlier updates.

    Use it as a context manager.

    Args:
        lines: file of JSON lines, one an update.
        events: folder for TensorBoard: figures against updates, rewards against trials.
    """

    _HINT = REBUILD

    def __init__(self, lines: Path, events: Path) -> None:
        super().__init__(lines, events)
        self._next = len(self.written)
        self._best = -math.inf

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """Writes the figures after update `number`, unless they were written before."""
        if number < self._next:
            return
        self._next = number + 1
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        self._line({"update": number, **finite})
        self._group("health", finite, number)

    def trial(self, trial: Trial) -> None:
        """Writes the reward of a recorded trial, the best so far, its metrics and its costs."""
        if trial.reward is not None and not trial.cached:
            self._best = max(self._best, trial.reward)
            self._group("trials", {**known_figures(trial), "best": self._best}, trial.index)

    def distributions(self, distributions: Mapping[str, Sequence[float]], number: int) -> None:
        """Writes the probabilities of decisions' choices after update `number`, by the decisions' names."""
        with storage_errors(self._path):
            self._events.distributions({f"probabilities/{name}": d for name, d in distributions.items()}, number)

    def best(self, png: bytes, trial: int) -> None:
        """Writes the picture of the best network so far, the content of a PNG file, at the number of its trial."""
        with storage_errors(self._path):
            self._events.png(BEST_CELLS, png, trial)

    def restore(self, trials: Sequence[Trial]) -> None:
        """Starts from the best of the trials of a run that is continued."""
        self._best = max((t.reward for t in trials if t.reward is not None), default=-math.inf)

    def _group(self, group: str, figures: Mapping[str, float], step: int) -> None:
        self._scalars({f"{group}/{name}": value for name, value in figures.items()}, step)
