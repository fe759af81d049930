"""Runs of any strategy side by side."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rl_nas.bench.runs import Runs, SequentialRuns
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.strategies.catalog import LEARNED, MODELED, StrategyOptions, find_strategy
from rl_nas.surrogate.earlier import EarlierTrials


def make_runs(
    name: str,
    space: SearchSpace[Any],
    options: StrategyOptions,
    seeds: Sequence[int],
    preset: str = "nasnet",
    earlier: Sequence[EarlierTrials] = (),
) -> Runs:
    """Makes a run of the strategy for each seed.

    Args:
        name: of the strategy.
        space: that is searched.
        options: of the strategies.
        seeds: one for each run.
        preset: the default of `reinforce` and `ppo`.
        earlier: trials of an earlier search for each run, of a strategy of `MODELED`; empty: there are none.
    """
    known: Sequence[EarlierTrials | None] = earlier if earlier else [None] * len(seeds)
    if name not in LEARNED:
        each = zip(seeds, known, strict=True)
        return SequentialRuns([find_strategy(name)(space, replace(options, earlier=own), seed) for seed, own in each])
    from rl_nas.bench.learned import LearnerRuns  # these import TensorFlow
    from rl_nas.controller import agent

    strategy = getattr(agent, LEARNED[name])
    default = strategy.PRESET if name == "controller" else preset
    of_prior = {"earlier": known} if name in MODELED else {}
    return LearnerRuns(strategy.LEARNER(space, options.controller.config(default), seeds, **of_prior))
