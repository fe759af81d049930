"""The progress of a search: one live line on a terminal, a line per child elsewhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from rl_nas.report.durations import Pace, about, clock
from rl_nas.report.live_line import LiveLine, figure_words
from rl_nas.report.tables import counted, figure_text, measured_text
from rl_nas.trial import ChildProgress, Trial, TrialState, best_trials

_SHOWN = 4
"""Most children whose own progress is shown."""
_FIRST = 2
"""Fewest children before the time of the whole is forecast."""
_HOUR = 3600


class Activity(Protocol):
    """What the workers of a search are doing, as executors tell it."""

    @property
    def workers(self) -> tuple[int, int]:
        """Busy workers, and all workers."""

    @property
    def running(self) -> Sequence[ChildProgress]:
        """How far the children are that are evaluated now."""

    @property
    def began(self) -> float | None:
        """When the first child began, by time.monotonic; None: none has."""


class Taken(Protocol):
    """The time that a run has taken."""

    @property
    def seconds(self) -> float:
        """Of all its sittings so far."""


@dataclass(frozen=True)
class Hours:
    """A budget of time.

    Attributes:
        most: hours of the whole run.
        taken: so far.
    """

    most: float
    taken: Taken

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.most * _HOUR - self.taken.seconds)


class SearchProgress:
    """The state of a search, in words.

    Attributes:
        total: children of the whole run; None: as many as fit into its hours.
        done: recorded children.
        rung: of the batch that is halved, in words.
        line: its display, a context manager.
    """

    def __init__(
        self,
        total: int | None,
        recorded: Sequence[Trial] = (),
        stream: TextIO | None = None,
        activity: Activity | None = None,
        hours: Hours | None = None,
        batch: int = 1,
        images: int = 0,
    ) -> None:
        """Starts from earlier parts of the run.

        Args:
            total: children of the whole run; None: as many as fit into the hours.
            recorded: trials of earlier parts of the run.
            stream: where to show it; None: the standard error.
            activity: of the workers.
            hours: that the run may take; None: any.
            batch: children that end together.
            images: that each is measured on; 0: unknown.
        """
        self.total, self.done, self.rung = total, 0, ""
        self.line = LiveLine(self, stream)
        self._activity, self._hours, self._cached, self._images = activity, hours, 0, images
        self._failures: Counter[TrialState] = Counter()
        self._over_limit = 0
        self._last: Trial | None = None
        self._best: Trial | None = None
        self._diagnostics: Mapping[str, float] = {}
        for trial in recorded:
            self._count(trial)
        self._pace, self._forecast_at, self._foretold = Pace(self.done), max(_FIRST, batch), False

    @property
    def fraction(self) -> float:
        """The part of the children, or of the hours, that is done; children at work count for what they are."""
        parts = [one.done / one.total for one in self._running() if one.total] if not self.rung else []
        of_children = (self.done + sum(parts)) / self.total if self.total else 0.0
        of_hours = 1 - self._hours.left / (self._hours.most * _HOUR) if self._hours else 0.0
        return min(1.0, max(of_children, of_hours))

    def follow(self, trial: Trial, diagnostics: Mapping[str, float]) -> None:
        """Counts a recorded or remembered trial and shows the new state; with the first ones, what the whole takes."""
        self._count(trial)
        self._diagnostics = diagnostics
        self.line.show()
        enough = max(self._forecast_at, self._activity.workers[1] if self._activity else 0)
        if not self._foretold and self._pace.fresh(self.done) >= enough and self.done != self.total:
            self._foretold = True
            self.line.tell(f"time: {self.forecast()}")

    def forecast(self) -> str:
        """The time of the whole, or the children that fit into its hours, at the rate so far."""
        seconds, hours = self._seconds_each() or 0.0, self._hours
        left = None if self.total is None else (self.total - self.done) * seconds
        if hours is not None and (left is None or left > hours.left):
            fit = self.done + int(hours.left / seconds) if seconds else self.done
            return f"--max_hours={hours.most:g}: about {counted(fit, 'child', 'children')} at this rate"
        assert self.total is not None
        assert left is not None
        fresh = self._pace.fresh(self.done)
        if fresh < self.done:
            remaining = counted(self.total - self.done, "child", "children")
            return f"{about(left)} for the remaining {remaining} at this rate"
        return f"{about(left + fresh * seconds)} for {counted(self.total, 'child', 'children')} at this rate"

    def words(self) -> list[str]:
        """Children, time left, rate, workers, last and best reward, the strategy's figures, failures by kind."""
        last, seconds = self._last, self._seconds_each()
        words = [f"{self.done}{'' if self.total is None else f'/{self.total}'} children", f"{self._left(seconds)} left"]
        if seconds:
            words.append(f"{_HOUR / seconds:,.0f}/hour")
        if self._activity is not None:
            busy, workers = self._activity.workers
            words.append(f"busy {busy}/{workers}")
        if last is not None:
            words.append(f"last {self._outcome(last)}{' (cached)' if last.cached else ''}")
        words.append("best " + ("-" if self._best is None else self._reward(self._best)))
        if self._images and self._best is not None:
            words.append(f"on {counted(self._images, 'image')}")
        words += figure_words(self._diagnostics)
        if self._cached:
            words.append(f"cached {self._cached}")
        if self._over_limit:
            words.append(f"over a limit {self._over_limit}")
        kinds = ", ".join(f"{count} {state}" for state, count in sorted(dict(self._failures).items()))
        return [*words, f"failures {self._failures.total()}{f' ({kinds})' if kinds else ''}"]

    def now(self) -> list[str]:
        """The rung of a batch that is halved, and the epochs of the children at work."""
        running = sorted(self._running())
        if running and self._activity is not None and self._activity.began is None:
            return ["workers are starting"]
        told = [one for one in running if one.total]
        words = [self.rung] if self.rung else []
        if len(running) <= _SHOWN:
            return words + [f"trial {one.index}: {_steps(one)}" for one in running]
        if told:
            epochs = [one.done for one in told]
            words.append(f"epochs {min(epochs)} to {max(epochs)} of {max(one.total for one in told)}")
        if starting := len(running) - len(told):
            words.append(f"{counted(starting, 'child', 'children')} begun")
        return words

    def _running(self) -> Sequence[ChildProgress]:
        return () if self._activity is None else self._activity.running

    def _seconds_each(self) -> float | None:
        """Mean seconds between two children, without the start of the workers."""
        if self._activity is not None and self._activity.began is not None:
            self._pace.begin(self._activity.began)
        return self._pace.seconds_each(self.done)

    def _left(self, seconds_each: float | None) -> str:
        """The time left, of the children or of the hours."""
        left = [] if self._hours is None else [self._hours.left]
        if self.total is not None and seconds_each is not None:
            left.append(seconds_each * (self.total - self.done))
        return clock(min(left, default=None))

    def _count(self, trial: Trial) -> None:
        self._last = trial
        if trial.cached:
            self._cached += 1
            return
        self.done += 1
        if trial.state is TrialState.OVER_LIMIT:
            self._over_limit += 1
        elif trial.reward is None:
            self._failures[trial.state] += 1
        else:
            self._best = best_trials([trial] if self._best is None else [self._best, trial], 1)[0]

    def _outcome(self, trial: Trial) -> str:
        """The reward, and the metric of the task that it is made of; how it failed."""
        measured, reward = trial.measurement, self._reward(trial)
        if trial.reward is None or measured is None or not measured.metrics:
            return reward
        if measured.quality == trial.reward:
            return f"{measured.quality_name} {reward}"
        return f"{reward} ({measured_text(measured.quality_name, measured.quality, self._images)})"

    def _reward(self, trial: Trial) -> str:
        """The reward; with its interval if it is a fraction of few images."""
        if trial.reward is None:
            return str(trial.state)
        measured = trial.measurement
        is_metric = measured is not None and measured.quality == trial.reward
        return figure_text(measured.quality_name if measured and is_metric else "", trial.reward, self._images)


def _steps(child: ChildProgress) -> str:
    return f"epoch {child.done}/{child.total}" if child.total else "begun"
