"""NSGA-II (Deb et al. 2002), by Optuna: evolution of a front of several objectives."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.samplers import NSGAIISampler, PartialFixedSampler

from rl_nas.objectives import Objectives
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.strategies.optuna_search import OptunaSearch
from rl_nas.trial import Trial


class NSGA2(OptunaSearch):
    """Optuna's NSGA-II sampler.

    Inactive decisions have genes too, which come into effect when a crossover makes them active. The first population
    is drawn from the space.

    Args:
        space: the space to search.
        population: networks of a generation; 2 at least.
        seed: all randomness is a function of it.
        objectives: to be maximized together; None: the reward alone.
    """

    ASKS_INACTIVE = True

    def __init__(
        self, space: SearchSpace[Any], population: int, seed: int = 0, objectives: Objectives | None = None
    ) -> None:
        super().__init__(space, seed, 1 if objectives is None else len(objectives.names))
        self._population, self._objectives = max(2, population), objectives

    def _begin(self, known: Mapping[str, int], seed: int) -> optuna.Trial:
        # A trial whose choices are all enqueued would be of no generation.
        sampler = NSGAIISampler(population_size=self._population, seed=seed)
        self._study.sampler = PartialFixedSampler(dict(known), sampler)
        return self._study.ask()

    def _known(self, fixed: Mapping[int, int]) -> Mapping[int, int]:
        if len(self._asked) >= self._population:
            return fixed
        rng = np.random.default_rng([self._seed, len(self._asked)])
        return dict(enumerate(self._space.sample(rng, fixed)))

    def _values(self, trial: Trial) -> Sequence[float]:
        if self._objectives is None:
            return super()._values(trial)
        return [math.nan] if trial.measurement is None else self._objectives.values(trial.measurement).tolist()
