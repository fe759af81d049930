"""Aging evolution (Real et al. 2019), the search that found AmoebaNet."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Trial
from rl_nas.waiting import Waiting


class AgingEvolution:
    """Regularized evolution (Real et al. 2019, algorithm 1).

    The first `population` proposals are random. Each later one mutates the best of `sample` members of the
    population, drawn with replacement; its trial replaces the oldest member. A failed child joins and ages
    like any other, and counts as the worst. The children of a batch have parents in the population before it.

    Args:
        space: the space to search; it defines mutations.
        settings: sizes of the population and of the sample; 100 and 25 if they are left out, too many for a search of
            fewer than some 400 trials: `EvolutionSettings().sized(trials)` has smaller ones.
        seed: all randomness is a function of it.
    """

    def __init__(
        self, space: SearchSpace[Any], settings: EvolutionSettings = EvolutionSettings(), seed: int = 0
    ) -> None:
        self._space = space
        self._size, self._sample = settings.sizes
        self._rng = np.random.default_rng(seed)
        self._population: deque[tuple[float, Architecture]] = deque(maxlen=self._size)
        self._random_left = self._size
        self._proposed = 0
        self._waiting = Waiting[bool]()  # whether it is random

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` children."""
        return [self._child() for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Adds trials to the population, in the order of their numbers; the oldest members die."""
        for trial in sorted(trials, key=lambda trial: trial.index):
            reward = -np.inf if trial.reward is None or not np.isfinite(trial.reward) else trial.reward
            self._population.append((reward, trial.architecture))
            if self._waiting.take(trial.architecture) is None:  # another's proposal stands for a random member
                self._random_left = max(0, self._random_left - 1)

    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        """See `Withdrawing`."""
        for architecture in architectures:
            self._random_left += self._waiting.withdraw(architecture) or 0

    def diagnostics(self) -> Mapping[str, float]:
        """`population_mean` and `population_best`, rewards of the members that did not fail."""
        rewards = [reward for reward, _ in self._population if np.isfinite(reward)]
        return {"population_mean": float(np.mean(rewards)), "population_best": max(rewards)} if rewards else {}

    def temper(self) -> None:
        """Makes the next child random."""
        self._random_left += 1

    def restart(self) -> None:
        """Makes the next population random."""
        self._population.clear()
        self._random_left = self._size

    def state(self) -> State:
        """See `Resumable`."""
        return {
            "rng": self._rng.bit_generator.state,
            "rewards": np.array([reward for reward, _ in self._population]),
            "population": [architecture for _, architecture in self._population],
            "random_left": self._random_left,
            "proposed": self._proposed,
            "waiting": self._waiting.entries(),
        }

    def restore(self, state: State) -> None:
        """See `Resumable`; states of earlier versions tell of no proposals in flight."""
        self._rng.bit_generator.state = state["rng"]
        members = zip(state["rewards"].tolist(), map(tuple, state["population"]), strict=True)
        self._population = deque(members, maxlen=self._size)
        self._random_left, self._proposed = state["random_left"], state["proposed"]
        self._waiting = Waiting(state.get("waiting", ()))

    def _child(self) -> Architecture:
        fixed = self._space.fixed(self._proposed)
        self._proposed += 1
        is_random = bool(self._random_left or not self._population)
        if is_random:
            self._random_left = max(0, self._random_left - 1)
            child = self._space.sample(self._rng, fixed)
        else:
            drawn = self._rng.integers(len(self._population), size=self._sample)
            _, parent = max((self._population[i] for i in drawn), key=lambda member: member[0])
            child = self._space.mutate(parent, self._rng, fixed)
        self._waiting.add(child, is_random)
        return child
