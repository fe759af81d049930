"""The executor of a search's children: repeats failed ones, stops hopeless ones."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rl_nas.early_stopping.catalog import rule_of
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.executor import EarlyStoppingExecutor, ForgettingExecutor
from rl_nas.early_stopping.halving import HalvingExecutor, Rung
from rl_nas.early_stopping.thresholds import EarlyStopSettings, rungs
from rl_nas.execution import Executor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.trial import Reward, Trial


def supervised(
    executor: Executor,
    execution: ExecutionSettings,
    settings: EarlyStopSettings,
    *,
    space: SearchSpace[Any],
    epochs: int,
    states: Path,
    recorded: Sequence[Trial],
    reward: Reward,
    lag: int,
    seeds: int = 1,
    on_rung: Callable[[Rung | None], None] = lambda rung: None,
) -> Executor:
    """Adds retries, early stopping and the removal of what is kept of children to an executor.

    Args:
        executor: runs the children.
        execution: number of attempts.
        settings: the rule by which children are stopped.
        space: of their architectures.
        epochs: of a whole training.
        states: folder for the states of children whose training may continue.
        recorded: trials of earlier parts of the run.
        reward: what is maximized.
        lag: proposals between two updates of the strategy.
        seeds: trainings of a child; finished ones are kept until it is recorded.
        on_rung: called while a batch is halved; see `HalvingExecutor`.
    """
    kept = ChildStates(states)
    if settings.rule == "halving" or seeds > 1:
        for trial in recorded:  # a killed run may have left their states
            kept.forget(trial.index)
    if settings.rule == "halving":
        steps = rungs(settings, epochs)
        attempts = SupervisedExecutor(executor, execution)
        return HalvingExecutor(attempts, steps, settings.factor, reward, kept, on_rung)
    stopping = EarlyStoppingExecutor(executor, rule_of(settings, space, epochs), recorded, lag=lag)
    whole = SupervisedExecutor(stopping, execution)
    return whole if seeds == 1 else ForgettingExecutor(whole, kept.forget)
