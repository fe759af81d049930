"""Runs of any strategy side by side."""

from collections.abc import Sequence
from typing import Any

from rl_nas.bench.runs import Runs, SequentialRuns
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.strategies.catalog import LEARNED, StrategyOptions, find_strategy

BATCHES = {"bananas": 5, "controller": 5, "gp": 5, "ppo": 10}
"""Proposals between two updates of strategies that learn better from several; 1 for the others."""


def make_runs(
    name: str, space: SearchSpace[Any], options: StrategyOptions, seeds: Sequence[int], preset: str = "nasnet"
) -> Runs:
    """Makes a run of the strategy for each seed; `preset` is the default of `reinforce` and `ppo`."""
    if name not in LEARNED:
        return SequentialRuns([find_strategy(name)(space, options, seed) for seed in seeds])
    from rl_nas.bench.learned import LearnerRuns  # these import TensorFlow
    from rl_nas.controller import agent

    strategy = getattr(agent, LEARNED[name])
    default = strategy.PRESET if name == "controller" else preset
    return LearnerRuns(strategy.LEARNER(space, options.controller.config(default), seeds))
