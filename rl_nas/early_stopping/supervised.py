"""The executor of a search's children: repeats those that fail, stops those that are hopeless."""

from collections.abc import Sequence
from pathlib import Path

from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.executor import EarlyStoppingExecutor
from rl_nas.early_stopping.halving import HalvingExecutor
from rl_nas.early_stopping.thresholds import EarlyStopSettings, rungs, thresholds
from rl_nas.execution import Executor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.trial import Reward, Trial


def supervised(
    executor: Executor,
    execution: ExecutionSettings,
    settings: EarlyStopSettings,
    *,
    epochs: int,
    states: Path,
    recorded: Sequence[Trial],
    reward: Reward,
    lag: int,
) -> Executor:
    """Puts retries and early stopping around an executor.

    Args:
        executor: runs the children.
        execution: says how often one is repeated.
        settings: the rule by which children are stopped.
        epochs: of a whole training.
        states: folder for the states of children that may be trained on.
        recorded: trials of earlier parts of the run.
        reward: what is maximized.
        lag: proposals between two updates of the strategy.
    """
    if settings.rule == "halving":
        kept = ChildStates(states)
        for trial in recorded:  # a run that was killed may have left them
            kept.forget(trial.index)
        steps = rungs(settings, epochs)
        return HalvingExecutor(SupervisedExecutor(executor, execution), steps, settings.factor, reward, kept)
    stopping = EarlyStoppingExecutor(executor, lambda curves: thresholds(curves, settings), recorded, lag=lag)
    return SupervisedExecutor(stopping, execution)
