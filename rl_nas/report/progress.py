"""The progress of a search: one live line on a terminal, a line per child elsewhere."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from rl_nas.report.live_line import LiveLine, Pace, figure_words
from rl_nas.trial import Trial, TrialState


class SearchProgress:
    """The state of a search, in words.

    Attributes:
        total: children of the whole run.
        done: recorded children.
        line: its display, a context manager.
    """

    def __init__(
        self,
        total: int,
        recorded: Sequence[Trial] = (),
        stream: TextIO | None = None,
        workers: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        """Starts from earlier parts of the run.

        Args:
            total: children of the whole run.
            recorded: trials of earlier parts of the run.
            stream: where to show it; None: the standard error.
            workers: returns the numbers of busy and of all workers.
        """
        self.total, self.done = total, 0
        self.line = LiveLine(self, stream)
        self._workers, self._cached = workers, 0
        self._failures: Counter[TrialState] = Counter()
        self._last: Trial | None = None
        self._best: float | None = None
        self._diagnostics: Mapping[str, float] = {}
        for trial in recorded:
            self._count(trial)
        self._pace = Pace(self.done)

    def follow(self, trial: Trial, diagnostics: Mapping[str, float]) -> None:
        """Counts a recorded or remembered trial and shows the new state."""
        self._count(trial)
        self._diagnostics = diagnostics
        self.line.show()

    def words(self) -> list[str]:
        """Children, time left, rate, workers, last and best reward, the strategy's figures, failures by kind."""
        last = self._last
        words = [f"{self.done}/{self.total} children", self._pace.left(self.done, self.total)]
        seconds = self._pace.seconds_each(self.done)
        if seconds:
            words.append(f"{3600 / seconds:,.0f}/hour")
        if self._workers is not None:
            busy, workers = self._workers()
            words.append(f"busy {busy}/{workers}")
        if last is not None:
            words.append(f"last {_outcome(last)}{' (cached)' if last.cached else ''}")
        words.append("best " + ("-" if self._best is None else f"{self._best:.4f}"))
        words += figure_words(self._diagnostics)
        if self._cached:
            words.append(f"cached {self._cached}")
        kinds = ", ".join(f"{count} {state}" for state, count in sorted(self._failures.items()))
        return [*words, f"failures {self._failures.total()}{f' ({kinds})' if kinds else ''}"]

    def _count(self, trial: Trial) -> None:
        self._last = trial
        if trial.cached:
            self._cached += 1
            return
        self.done += 1
        if trial.reward is None:
            self._failures[trial.state] += 1
        else:
            self._best = trial.reward if self._best is None else max(self._best, trial.reward)


def _outcome(trial: Trial) -> str:
    """The reward, and the metric of the task that it is made of; how it failed."""
    if trial.reward is None:
        return str(trial.state)
    reward, measured = f"{trial.reward:.4f}", trial.measurement
    if measured is None or not measured.metrics:
        return reward
    if measured.quality == trial.reward:
        return f"{measured.quality_name} {reward}"
    return f"{reward} ({measured.quality_name} {measured.quality:.4f})"
