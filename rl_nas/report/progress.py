"""The progress of a search: one live line on a terminal, a line per child elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from rl_nas.report.live_line import LiveLine, clock
from rl_nas.trial import Trial, TrialState


class SearchProgress(LiveLine):
    """Follows a search and shows it on standard error. Use it as a context.

    Args:
        total: children of the whole run.
        recorded: trials of earlier parts of the run.
        stream: where to show it.
        workers: tells how many workers are busy, of how many.
    """

    def __init__(
        self,
        total: int,
        recorded: Sequence[Trial] = (),
        stream: TextIO = sys.stderr,
        workers: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(stream)
        self._total, self._workers = total, workers
        self._done, self._cached = 0, 0
        self._failures: Counter[TrialState] = Counter()
        self._last: Trial | None = None
        self._best: float | None = None
        self._diagnostics: Mapping[str, float] = {}
        for trial in recorded:
            self._count(trial)
        self._recorded, self._started = self._done, time.monotonic()

    @property
    def total(self) -> int:
        """Children of the whole run."""
        return self._total

    @property
    def done(self) -> int:
        """Children that are recorded."""
        return self._done

    def follow(self, trial: Trial, diagnostics: Mapping[str, float]) -> None:
        """Counts a recorded or remembered trial and shows the new state."""
        self._count(trial)
        self._diagnostics = diagnostics
        self.show()

    def words(self) -> list[str]:
        """Children, time left, their rate, workers, last and best reward, the strategy's figures, failures by kind."""
        last = self._last
        words = [f"{self._done}/{self._total} children", f"{clock(self._seconds_left())} left"]
        seconds = self._seconds_per_child()
        if seconds:
            words.append(f"{3600 / seconds:,.0f}/hour")
        if self._workers is not None:
            busy, workers = self._workers()
            words.append(f"busy {busy}/{workers}")
        if last is not None:
            outcome = last.state if last.reward is None else format(last.reward, ".4f")
            words.append(f"last {outcome}{' (cached)' if last.cached else ''}")
        words.append("best " + ("-" if self._best is None else f"{self._best:.4f}"))
        # Figures of single decisions, which have a slash in their names, are too many for a line.
        words += [f"{name} {value:.3g}" for name, value in self._diagnostics.items() if "/" not in name]
        if self._cached:
            words.append(f"cached {self._cached}")
        kinds = ", ".join(f"{count} {state}" for state, count in sorted(self._failures.items()))
        return [*words, f"failures {self._failures.total()}{f' ({kinds})' if kinds else ''}"]

    def _count(self, trial: Trial) -> None:
        self._last = trial
        if trial.cached:
            self._cached += 1
            return
        self._done += 1
        if trial.reward is None:
            self._failures[trial.state] += 1
        else:
            self._best = trial.reward if self._best is None else max(self._best, trial.reward)

    def _seconds_per_child(self) -> float | None:
        fresh = self._done - self._recorded
        return (time.monotonic() - self._started) / fresh if fresh else None

    def _seconds_left(self) -> float | None:
        seconds = self._seconds_per_child()
        return None if seconds is None else seconds * (self._total - self._done)
