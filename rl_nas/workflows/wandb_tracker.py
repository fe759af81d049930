"""A search in Weights & Biases: a run with the flags, a row for each trial, the figures of the strategy."""

import hashlib
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import wandb

from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.updates import Watcher
from rl_nas.report.trial_sessions import known_figures
from rl_nas.trial import Trial
from rl_nas.workflows.tracked_run import TrackedRun


class WandbTracker(Watcher):
    """Uses the settings of wandb's environment variables; the project is WANDB_PROJECT, or rl_nas."""

    def __init__(self, run: TrackedRun) -> None:
        self._tracked = run

    def __enter__(self) -> Self:
        folder = self._tracked.folder
        started = f"{folder} {(folder / 'flags.cfg').stat().st_mtime_ns}"  # which a continued run leaves as it is
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "rl_nas"),
            name=folder.name,
            id=hashlib.sha256(started.encode(errors="surrogateescape")).hexdigest()[:16],
            resume="allow",
            config={**self._tracked.flags, "run_dir": str(folder)},
            settings=wandb.Settings(console="off"),  # the output is the search's
        )
        self._run.define_metric("*", step_metric="trial")
        self._run.define_metric("strategy/*", step_metric="update")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.finish(exit_code=0 if error is None else 1)

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        if not trial.cached:
            choices = self._tracked.space.values(trial.architecture)
            decided = {f"decision/{name}": choice for name, choice in choices.items()}
            self._run.log({"trial": trial.index, "state": str(trial.state), **known_figures(trial), **decided})

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._run.log({"update": number, **{f"strategy/{name}": value for name, value in figures.items()}})

    def collapse(self, message: str) -> None:
        """See `Watcher`."""
        self._run.alert(title="proposals have collapsed", text=message)

    def end(self, finished: FinishedSearch) -> None:
        """Nothing: the search tells its end."""
