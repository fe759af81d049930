"""Updates of a strategy by batches of trials, however they were gathered."""

import operator
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rl_nas.checkpoint import Checkpoint, restoring
from rl_nas.errors import UsageError
from rl_nas.loops.finished import FinishedSearch
from rl_nas.strategies import Recovering, Resumable, Strategy, Withdrawing
from rl_nas.strategies.failures import FailureRule
from rl_nas.strategies.health import Health, HealthSettings
from rl_nas.trial import Trial

_PAUSE = 100
"""Seconds without saving for each second that the last saving took."""


class Watcher:
    """Observer of a search; what an earlier part of a run reported is not reported again."""

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """Called when a trial is recorded or, `cached`, remembered; the figures are those of the last update."""

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """Called when the strategy has observed its batch `number`, from 0.

        Also called for earlier parts of a run if the strategy repeats these.
        """

    def collapse(self, message: str) -> None:
        """Called when proposals have collapsed."""

    def end(self, finished: FinishedSearch) -> None:
        """Called at the end; warns if all trials failed."""
        if finished.trials and finished.best is None:
            warnings.warn(str(finished), RuntimeWarning, stacklevel=4)


class CheckpointStore(Protocol):
    """Keeps checkpoints."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Saves a checkpoint durably, replacing the last one."""


def check_recovery(strategy: Strategy, health: HealthSettings) -> None:
    """Raises `UsageError` if the strategy has no answer to a collapse, but the settings ask for one."""
    if health.on_collapse in ("temper", "restart") and not isinstance(strategy, Recovering):
        raise UsageError(
            f"--on_collapse={health.on_collapse}: {type(strategy).__name__} can't do that; choose warn or stop"
        )


def tell_of_rebuilding(strategy: Strategy, count: int) -> None:
    """Warns that a strategy's state cannot be used."""
    warnings.warn(
        f"the state of {type(strategy).__name__} is of another version of rl_nas: it learns again from the {count}"
        " recorded trials, and later proposals differ from those that it would have made",
        RuntimeWarning,
        stacklevel=4,
    )


class Updates:
    """Shows trials to a strategy, looks after its health, and keeps its state.

    Args:
        strategy: learns.
        keeper: keeps its state.
        health: when proposals count as collapsed, and what to do then.
        failures: what the strategy is shown of children that failed.
        watcher: told of every update and collapse.

    Raises:
        UsageError: the strategy has no answer to a collapse, but `health` asks for one.
    """

    def __init__(
        self,
        strategy: Strategy,
        keeper: CheckpointStore,
        health: HealthSettings,
        failures: FailureRule,
        watcher: Watcher,
    ) -> None:
        check_recovery(strategy, health)
        self._strategy, self._keeper, self._failures, self._watcher = strategy, keeper, failures, watcher
        self._guard = Health(health)
        self._number = 0
        self._next_save = 0.0

    def restore(self, checkpoint: Checkpoint | None) -> int:
        """Restores a checkpoint; returns its number of trials, 0 if all updates are to be repeated.

        Raises:
            OutdatedStateError: the strategy has changed since; see `learn_again`.
            UsageError: it is damaged, or of another strategy.
        """
        if checkpoint is None or not isinstance(self._strategy, Resumable):
            return 0
        with restoring("the checkpoint in trials.sqlite"):
            self._strategy.restore(checkpoint.state["strategy"])
            self._guard.restore(checkpoint.state["health"])
            self._number = operator.index(checkpoint.updates)
        return checkpoint.trials

    def figures(self) -> dict[str, float]:
        """Figures of the strategy and of its health."""
        return {**self._strategy.diagnostics(), **self._guard.figures()}

    def learn(self, trials: Sequence[Trial], names: Sequence[str], new: int, *, shown: bool = True) -> bool:
        """Shows the strategy a batch of trials.

        Args:
            trials: of its proposals.
            names: canonical keys of what it proposed since the last batch.
            new: how many of these had not been met before.
            shown: whether the watcher is told of remembered trials and collapses; not in a repeated earlier part.

        Returns:
            Whether the search continues.
        """
        self._strategy.observe(self._failures(trials))
        collapse = self._guard.follow(names, new)
        figures = self.figures()
        if shown:
            for trial in trials:
                if trial.cached:
                    self._watcher.trial(trial, figures)
            if collapse:
                self._watcher.collapse(collapse.message)
        self._watcher.update(self._number, figures)
        self._number += 1
        return collapse is None or self._recovers(collapse.action)

    def learn_again(self, trials: Sequence[Trial], names: Sequence[str], batch_size: int) -> bool:
        """Shows a strategy without its state the trials in batches, each after as many proposals.

        Its generators advance with the proposals, so that later ones differ from what they would have been, but do not
        repeat what a fresh strategy proposes.

        Args:
            trials: in the order of their numbers.
            names: their canonical keys.
            batch_size: proposals between two updates.

        Returns:
            Whether the search continues.
        """
        goes_on = True
        for first in range(0, len(trials), batch_size):
            part = slice(first, first + batch_size)
            proposals = self._strategy.propose(len(trials[part]))
            if isinstance(self._strategy, Withdrawing):
                self._strategy.withdraw(proposals)
            goes_on &= self.learn(trials[part], names[part], len(trials[part]), shown=False)
        return goes_on

    def save(self, trials: int, *, spare: bool = False, **more: Any) -> None:
        """Saves the state of the strategy if it has one.

        Args:
            trials: that it knows.
            spare: skip the saving if it would take more than a hundredth of the time; a run can continue from an
                earlier state as well.
            more: saved with it.
        """
        started = time.monotonic()
        if isinstance(self._strategy, Resumable) and not (spare and started < self._next_save):
            state = {"strategy": self._strategy.state(), "health": self._guard.state(), **more}
            self._keeper.save(Checkpoint(self._number, trials, state))
            ended = time.monotonic()
            self._next_save = ended + _PAUSE * (ended - started)

    def _recovers(self, action: str) -> bool:
        """Acts on a collapse; False ends the search."""
        if isinstance(self._strategy, Recovering):
            if action == "temper":
                self._strategy.temper()
            elif action == "restart":
                self._strategy.restart()
        return action != "stop"
