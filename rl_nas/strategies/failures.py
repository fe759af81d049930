"""Rules for the failed children that a strategy is shown."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rl_nas.trial import Trial

FailureRule = Callable[[Sequence[Trial]], Sequence[Trial]]


def worst(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Shows failures without a reward: strategies count them as worst, those that average as equal to the worst."""
    return trials


def zero(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Shows failures with the reward 0, which is better than a negative one."""
    return [replace(trial, reward=0.0) if trial.reward is None else trial for trial in trials]


def skip(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Hides failures."""
    return [trial for trial in trials if trial.reward is not None]


FAILURE_RULES: dict[str, FailureRule] = {"worst": worst, "zero": zero, "skip": skip}
