"""What a search shows and writes with every child: its progress, its best child, its health, its time."""

from collections.abc import Mapping, Sequence

from rl_nas.early_stopping.halving import Rung
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.updates import Watcher
from rl_nas.report.health_log import HealthLog
from rl_nas.report.progress import Hours, SearchProgress
from rl_nas.store.best_child import BestChild
from rl_nas.store.run_time import RunTime
from rl_nas.trial import MOST_TRIALS, Trial
from rl_nas.workflows.children import ChildExecutor
from rl_nas.workflows.config import SearchConfig


def search_progress(
    config: SearchConfig, trials: int, recorded: Sequence[Trial], executor: ChildExecutor, time: RunTime, images: int
) -> SearchProgress:
    """The progress of a search.

    Args:
        config: of the search.
        trials: of the whole run.
        recorded: those of earlier parts of the run.
        executor: of the children.
        time: of the run.
        images: that each child is measured on.
    """
    hours = None if config.run.max_hours is None else Hours(config.run.max_hours, time)
    batch = config.batching.size if config.early_stop.rule == "halving" else 1
    total = None if trials == MOST_TRIALS else trials
    return SearchProgress(total, recorded, activity=executor, hours=hours, batch=batch, images=images)


class SearchWatcher(Watcher):
    """Tracks the best child, writes figures and the time."""

    def __init__(self, best: BestChild, log: HealthLog, time: RunTime) -> None:
        self._best, self._log, self._time = best, log, time

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._best.follow(trial)
        if not trial.cached:
            self._time.save()
        self._log.trial(trial)

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._log.update(number, figures)

    def end(self, finished: FinishedSearch) -> None:
        """Nothing: it is told if all failed."""


class ProgressWatcher(Watcher):
    """Shows progress: the last one that is told of a trial, as what is shown has been written."""

    def __init__(self, progress: SearchProgress) -> None:
        self._progress = progress

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._progress.follow(trial, figures)

    def collapse(self, message: str) -> None:
        """See `Watcher`."""
        self._progress.line.warn(message)

    def rung(self, rung: Rung | None) -> None:
        """Shows how far the halving of a batch is."""
        self._progress.rung = "" if rung is None else str(rung)

    def end(self, finished: FinishedSearch) -> None:
        """Nothing: it is told if all failed."""
