"""Trackers: watchers of a search that send what it does elsewhere, such as to MLflow. They cannot stop it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError, first_line
from rl_nas.extras import check_installed
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.updates import Watcher
from rl_nas.plugins import check_call, load_plugin
from rl_nas.settings import Settings, setting
from rl_nas.trial import Trial
from rl_nas.workflows.tracked_run import TrackedRun


@dataclass(frozen=True)
class TrackSettings(Settings):
    """Tools that are told of every trial."""

    title: ClassVar[str] = "Tracking"

    track: str | None = setting(
        None,
        "some of mlflow, wandb (both set up by their own environment variables) and module:NAME, a rl_nas.Watcher of"
        " your own, called with a rl_nas.TrackedRun; separated by commas. A failure of theirs does not stop the search",
    )


Factory = Callable[[TrackedRun], Watcher]


def _mlflow(run: TrackedRun) -> Watcher:
    from rl_nas.workflows.mlflow_tracker import MlflowTracker

    return MlflowTracker(run)


def _wandb(run: TrackedRun) -> Watcher:
    from rl_nas.workflows.wandb_tracker import WandbTracker

    return WandbTracker(run)


TRACKERS: dict[str, Factory] = {"mlflow": _mlflow, "wandb": _wandb}
"""Name, of the package and of the extra -> tracker."""


def find_trackers(settings: TrackSettings) -> dict[str, Factory]:
    """The trackers that are asked for, by name.

    Raises:
        UsageError: there is none of a name, or its package is missing.
    """
    names = [name.strip() for name in (settings.track or "").split(",") if name.strip()]
    return {name: _find(name) for name in names}


def _find(name: str) -> Factory:
    if name in TRACKERS:
        check_installed(f"--track={name}", name, [name])
        return TRACKERS[name]
    made: Factory = load_plugin("track", name, TRACKERS)
    if not callable(made):
        raise UsageError(f"--track={name} is {type(made).__name__}; expected a class called with a rl_nas.TrackedRun")
    check_call("track", name, made, None, expected="a class called with a rl_nas.TrackedRun")
    return made


@contextmanager
def tracked(
    factories: Mapping[str, Factory], run: TrackedRun, updates: int, warn: Callable[[str], None]
) -> Iterator[Sequence[Watcher]]:
    """Trackers at work; those that are context managers are entered, and left however the search ends.

    Args:
        factories: by name.
        run: the search.
        updates: number of updates of earlier parts of the run, which are not told again.
        warn: called with a line if one fails, after which it is not told anything more.

    Raises:
        UsageError: one cannot begin.
    """
    watchers: list[_Guarded] = []
    error: BaseException | None = None
    try:
        for name, make in factories.items():
            watchers.append(_Guarded(name, make, run, updates, warn))
        yield watchers
    except BaseException as raised:
        error = raised
        raise
    finally:
        for watcher in watchers:
            watcher.leave(error)


class _Guarded(Watcher):
    """A tracker whose failures are told once and end nothing but itself."""

    def __init__(self, name: str, make: Factory, run: TrackedRun, updates: int, warn: Callable[[str], None]) -> None:
        self._name, self._updates, self._warn = name, updates, warn
        self._works = True
        try:
            self._watcher = make(run)
            self._context = self._watcher if isinstance(self._watcher, AbstractContextManager) else nullcontext()
            self._context.__enter__()
        except Exception as error:
            raise UsageError(
                f"--track={name} cannot begin: {type(error).__name__}: {first_line(error)}; mend that, or leave it out"
                " by --track=, and go on with --resume"
            ) from error

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        self._tell(lambda: self._watcher.trial(trial, figures))

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        if number >= self._updates:
            self._tell(lambda: self._watcher.update(number, figures))

    def collapse(self, message: str) -> None:
        self._tell(lambda: self._watcher.collapse(message))

    def end(self, finished: FinishedSearch) -> None:
        self._tell(lambda: self._watcher.end(finished))

    def leave(self, error: BaseException | None) -> None:
        """Ends its context, whether or not it failed before."""
        self._works = True
        self._tell(lambda: self._context.__exit__(type(error) if error else None, error, None))

    def _tell(self, call: Callable[[], object]) -> None:
        if not self._works:
            return
        try:
            call()
        except Exception as error:
            self._works = False
            self._warn(
                f"--track={self._name} failed and is told nothing more: {type(error).__name__}: {first_line(error)}"
            )
