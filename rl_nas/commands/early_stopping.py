"""What is done about the children of a search that fail, and about those that are hopeless."""

from collections.abc import Sequence

from rl_nas.child.settings import TrainingSettings
from rl_nas.commands.search_flags import SearchRunSettings
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.executor import EarlyStoppingExecutor
from rl_nas.early_stopping.halving import HalvingExecutor
from rl_nas.early_stopping.thresholds import EarlyStopSettings, rungs, thresholds
from rl_nas.evaluation.rewards import Reward
from rl_nas.execution import Executor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.flags.parsing import Parsed
from rl_nas.store.run_folder import SearchFolder
from rl_nas.trial import Trial


def supervised(
    executor: Executor,
    parsed: Parsed,
    folder: SearchFolder,
    recorded: Sequence[Trial],
    reward: Reward,
) -> Executor:
    """The executor that repeats children where they fail and stops them by the rule that the flags ask for.

    Args:
        executor: runs them.
        parsed: all flags of the search.
        folder: of the run.
        recorded: trials of earlier parts of the run.
        reward: what is maximised.
    """
    settings, execution = parsed.group(EarlyStopSettings), parsed.group(ExecutionSettings)
    if settings.rule == "halving":
        states = ChildStates(folder.states)
        for trial in recorded:  # a run that was killed may have left them
            states.forget(trial.index)
        steps = rungs(settings, parsed.group(TrainingSettings).epochs)
        return HalvingExecutor(SupervisedExecutor(executor, execution), steps, settings.factor, reward, states)
    lag = parsed.group(SearchRunSettings).update_every
    stopping = EarlyStoppingExecutor(executor, lambda curves: thresholds(curves, settings), recorded, lag=lag)
    return SupervisedExecutor(stopping, execution)
