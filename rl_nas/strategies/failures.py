"""What a strategy is shown of children that failed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rl_nas.trial import Trial

FailureRule = Callable[[Sequence[Trial]], Sequence[Trial]]


def worst(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Failures have no reward: to every strategy that is worse than, or for one that averages as bad as, the worst."""
    return trials


def zero(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Failures have the reward 0."""
    return [replace(trial, reward=0.0) if trial.reward is None else trial for trial in trials]


def skip(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Failures are not shown."""
    return [trial for trial in trials if trial.reward is not None]


FAILURE_RULES: dict[str, FailureRule] = {"worst": worst, "zero": zero, "skip": skip}
