"""Runs of any strategy side by side, and the lists that comparisons are told by flags."""

from collections.abc import Sequence
from typing import Any

from rl_nas.bench.runs import Runs, SequentialRuns
from rl_nas.commands.catalog import LEARNED, STRATEGIES, StrategyOptions
from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import SearchSpace

BATCHES = {"controller": 5, "ppo": 10}
"""Proposals between two updates, for the strategies that learn better from several; 1 for the others."""


def make_runs(
    name: str, space: SearchSpace[Any], options: StrategyOptions, seeds: Sequence[int], preset: str = "nasnet"
) -> Runs:
    """A run of the strategy for each seed; `preset` is the default of `reinforce` and `ppo`."""
    if name not in LEARNED:
        return SequentialRuns([STRATEGIES[name](space, options, seed) for seed in seeds])
    from rl_nas.bench.learned import LearnerRuns  # these import TensorFlow
    from rl_nas.controller import agent

    strategy = getattr(agent, LEARNED[name])
    default = strategy.PRESET if name == "controller" else preset
    return LearnerRuns(strategy.LEARNER(space, options.controller.config(default), seeds))


def names_of(text: str, known: Sequence[str], flag: str) -> list[str]:
    """The names in a flag's value, with commas between; raises `UsageError` for one that is not known."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"--{flag}: no {name!r}; expected some of {', '.join(known)}, with commas between")
    return names


def budgets_of(text: str) -> list[int]:
    """The numbers of evaluations in a flag's value, ascending; raises `UsageError` for what is none."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise UsageError(f"--budgets={text}: expected whole numbers above 0 with commas between, such as 100,300")
    return sorted({int(word) for word in words})
