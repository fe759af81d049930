"""What a search writes for pictures: the policy's probabilities, the trials' rows and the best cells of TensorBoard."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.updates import Watcher
from rl_nas.report.health_log import HealthLog
from rl_nas.report.optional_picture import optional_picture
from rl_nas.report.picture import genotype_png
from rl_nas.report.trial_sessions import MOST, TrialSessions
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.store.best_child import BestChild
from rl_nas.store.decision_log import DecisionLog
from rl_nas.store.search_folder import SearchFolder
from rl_nas.strategies import Strategy, WithProbabilities
from rl_nas.trial import Trial

_PAUSE = 60
"""Least seconds between two pictures of the best network, besides that at the end of the search."""
_DPI = 80


class Watchers(Watcher):
    """Several watchers, told in their order."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.trial(trial, figures)

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.update(number, figures)

    def collapse(self, message: str) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.collapse(message)

    def end(self, finished: FinishedSearch) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.end(finished)


class PictureWatcher(Watcher):
    """Writes decisions.jsonl, the trials as rows of TensorBoard's HParams, and pictures of the best network.

    Args:
        folder: of the run.
        space: of its architectures.
        strategy: whose policy is written, if it has one.
        best: child so far; told of a trial before this.
        log: for TensorBoard.
        tell: called with a line when no more rows are written.
    """

    def __init__(
        self,
        folder: SearchFolder,
        space: SearchSpace[Any],
        strategy: Strategy,
        best: BestChild,
        log: HealthLog,
        tell: Callable[[str], None],
    ) -> None:
        self._space, self._strategy, self._best, self._log, self._tell = space, strategy, best, log, tell
        self._decisions = DecisionLog(folder.decisions)
        self._sessions = TrialSessions(folder.hparams, space)
        self._drawn, self._next_picture = best.trial, time.monotonic() + _PAUSE

    def restore(self, trials: Sequence[Trial]) -> None:
        """Writes what is missing of the trials of a run that is continued."""
        self._sessions.restore(trials)

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._sessions.add(trial)
        if trial.index == MOST and not trial.cached:
            self._tell(f"TensorBoard's HParams shows at most {MOST:,} rows: hparams/ holds the first {MOST:,} trials")

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        if isinstance(self._strategy, WithProbabilities) and self._decisions.wants(number):
            probabilities = [row.tolist() for row in self._strategy.choice_probabilities()]
            self._decisions.add(number, probabilities)
            names = [decision.name for decision in self._space.decisions]
            self._log.distributions(dict(zip(names, probabilities, strict=True)), number)
        if self._best.trial is not self._drawn and time.monotonic() >= self._next_picture:
            self._draw()

    def end(self, finished: FinishedSearch) -> None:
        """Nothing: the end of the search draws the best network."""

    def _draw(self) -> None:
        best = self._best.trial
        assert best is not None
        self._drawn, self._next_picture = best, time.monotonic() + _PAUSE
        title = f"trial {best.index}, reward {best.reward:.4f}"
        with optional_picture("the best network", self._tell):
            self._log.best(genotype_png(self._space.decode(best.architecture), title, _DPI), best.index)
