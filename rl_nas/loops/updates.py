"""The updates of a strategy: what happens when a batch of trials is there, however it was gathered."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rl_nas.checkpoint import Checkpoint
from rl_nas.errors import UsageError
from rl_nas.strategies import Recovering, Resumable, Strategy
from rl_nas.strategies.failures import FailureRule
from rl_nas.strategies.health import Health, HealthSettings
from rl_nas.trial import Trial

_SPARED = 100
"""Seconds without a state for each second that the last one took."""


class Watcher:
    """Looks on from the side; what an earlier part of a run showed is not shown again."""

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """A trial was recorded, or, `cached`, remembered; the figures are those of the last update."""

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """The strategy has observed its batch `number`, from 0.

        Called for earlier parts, too, where the strategy goes through these again.
        """

    def collapse(self, message: str) -> None:
        """Proposals repeat themselves."""


class CheckpointStore(Protocol):
    """Keeps checkpoints."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Makes a checkpoint durable in the place of the last one."""


class Updates:
    """Shows trials to a strategy, looks after its health, and keeps its state.

    Args:
        strategy: learns.
        keeper: of its state.
        health: when proposals have collapsed, and what to do then.
        failures: what the strategy is shown of children that failed.
        watcher: is shown every update and collapse.

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
        if health.on_collapse in ("temper", "restart") and not isinstance(strategy, Recovering):
            raise UsageError(
                f"--on_collapse={health.on_collapse}: {type(strategy).__name__} can't do that; choose warn or stop"
            )
        self._strategy, self._keeper, self._failures, self._watcher = strategy, keeper, failures, watcher
        self._guard = Health(health)
        self._number = 0
        self._next_save = 0.0

    def restore(self, checkpoint: Checkpoint | None) -> int:
        """Takes up a checkpoint; returns the trials so far, 0 where all are to be gone through again."""
        if checkpoint is None or not isinstance(self._strategy, Resumable):
            return 0
        self._strategy.restore(checkpoint.state["strategy"])
        self._guard.restore(checkpoint.state["health"])
        self._number = checkpoint.updates
        return checkpoint.trials

    def figures(self) -> dict[str, float]:
        """Those of the strategy and of its health."""
        return {**self._strategy.diagnostics(), **self._guard.figures()}

    def learn(self, trials: Sequence[Trial], names: Sequence[str], new: int, *, shown: bool = True) -> bool:
        """Shows the strategy a batch of trials.

        Args:
            trials: of its proposals.
            names: canonical keys of what it proposed since the last batch.
            new: how many of these had not been met before.
            shown: the watcher sees remembered trials and collapses; not where an earlier part is gone through again.

        Returns:
            Whether the search is to go on.
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

    def save(self, trials: int, *, spare: bool = False, **more: Any) -> None:
        """Keeps the state of the strategy if it has one.

        Args:
            trials: that it knows.
            spare: not again where that would take more than a hundredth of the time; a run goes on from an earlier
                state as well.
            more: to be kept with it.
        """
        started = time.monotonic()
        if isinstance(self._strategy, Resumable) and not (spare and started < self._next_save):
            state = {"strategy": self._strategy.state(), "health": self._guard.state(), **more}
            self._keeper.save(Checkpoint(self._number, trials, state))
            ended = time.monotonic()
            self._next_save = ended + _SPARED * (ended - started)

    def _recovers(self, action: str) -> bool:
        """Does what a collapse asks for; False: the search is to end."""
        if isinstance(self._strategy, Recovering):
            if action == "temper":
                self._strategy.temper()
            elif action == "restart":
                self._strategy.restart()
        return action != "stop"
