"""Bayesian optimization with a Gaussian process over graphs and choices (in the manner of Ru et al. 2021)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture, SearchSpace, fixed_mapping
from rl_nas.surrogate.acquisition import choose_batch
from rl_nas.surrogate.candidates import Mutations, enumerated
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.trial import Trial

_WARM_UP = 10
"""Random architectures before the first model."""

_MEMORY = 1000
"""Trials of the model."""

_MUTATIONS, _RANDOM = 1024, 128
"""Candidates in a space too large to enumerate: mutations of the best trials, and random architectures."""

_PARENTS = 10
"""Best trials that are mutated."""

_TRIES = 100
"""Random architectures to try for a new one."""


class GaussianProcessSearch:
    """Proposes what a Gaussian process expects to improve most: `GaussianProcess`, `choose_batch`.

    In a space of up to 32,768 architectures all of them are candidates. No network is proposed twice, even by another
    architecture, unless the space seems exhausted.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
    """

    def __init__(self, space: SearchSpace[Any], seed: int = 0) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._model = GaussianProcess(space, _MEMORY)
        self._mutations = Mutations(space)
        self._proposed = 0
        self._known: set[str] = set()

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        fixed = self._space.fixed_choices(self._proposed, n)
        self._proposed += n
        if len(self._model) < _WARM_UP:
            return [self._random(choices) for choices in fixed]
        chosen = choose_batch(self._model, self._candidates(fixed), fixed, self._is_new)
        return [
            self._random(choices) if tokens is None else tuple(map(int, tokens))
            for tokens, choices in zip(chosen, fixed, strict=True)
        ]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Adds the trials to the model; failures count as worse than all others."""
        if not trials:
            return
        ordered = sorted(trials, key=lambda trial: trial.index)
        self._known.update(self._space.canonical_key(trial.architecture) for trial in ordered)
        rewards = np.array([np.nan if trial.reward is None else trial.reward for trial in ordered])
        tokens = np.array([trial.architecture for trial in ordered])
        self._model.observe(tokens, np.where(np.isfinite(rewards), rewards, -np.inf))

    def reward_again(self, reward: Callable[[Architecture], float]) -> None:
        """Gives all trials other rewards; see `GaussianProcess.reward_again`."""
        self._model.reward_again(reward)

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of the model: `GaussianProcess.figures`."""
        return self._model.figures()

    def state(self) -> State:
        """See `Resumable`."""
        return {
            "rng": self._rng.bit_generator.state,
            "model": self._model.state(),
            "proposed": self._proposed,
            "known": sorted(self._known),
        }

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self._rng.bit_generator.state = state["rng"]
        self._model.restore(state["model"])
        self._proposed, self._known = state["proposed"], set(state["known"])

    def _candidates(self, fixed: np.ndarray) -> np.ndarray:
        every = enumerated(self._space)
        if every is not None:
            return every
        best = self._model.best(_PARENTS)
        parents = best[self._rng.integers(len(best), size=_MUTATIONS)]
        wanted = fixed[np.arange(_MUTATIONS) % len(fixed)]
        mutations = self._mutations.draw(self._rng, parents, wanted)
        drawn = [self._space.sample(self._rng, fixed_mapping(wanted[number])) for number in range(_RANDOM)]
        return np.unique(np.concatenate([mutations, np.array(drawn, np.int32)]), axis=0)

    def _random(self, fixed: np.ndarray) -> Architecture:
        for _ in range(_TRIES):
            drawn = self._space.sample(self._rng, fixed_mapping(fixed))
            if self._is_new(np.array(drawn)):
                break
        return drawn

    def _is_new(self, tokens: np.ndarray) -> bool:
        """Whether it is a valid network that was not proposed yet; marks it as known."""
        genotype = self._space.decode(tuple(map(int, tokens)))
        if not self._space.may_propose(genotype):
            return False
        key = genotype.canonical_key()
        fresh = key not in self._known
        self._known.add(key)
        return fresh
