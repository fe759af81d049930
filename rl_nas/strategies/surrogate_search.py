"""Base of strategies that ask a model which candidates to evaluate next."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from rl_nas.checkpoint import OutdatedStateError, State
from rl_nas.spaces.decisions import Architecture, SearchSpace, fixed_mapping
from rl_nas.surrogate.candidates import Mutations, enumerated
from rl_nas.surrogate.proposed import Proposed
from rl_nas.trial import Trial

_TRIES = 100
"""Random architectures to try for a new one."""


class SurrogateSearch(ABC):
    """Proposes candidates that a model of the rewards chooses, after random ones.

    No network is proposed twice, even by another architecture, unless the space seems exhausted.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
    """

    WARM_UP: ClassVar[int] = 10
    """Trials before the model is asked."""

    PARENTS: ClassVar[int] = 10
    """Best trials that are mutated."""

    MUTATIONS: ClassVar[int] = 1024
    RANDOM: ClassVar[int] = 128
    """Candidates: mutations of the best trials, and random architectures."""

    ENUMERATES: ClassVar[bool] = False
    """Whether in a space of up to 32,768 architectures all of them are candidates instead."""

    def __init__(self, space: SearchSpace[Any], seed: int = 0) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._mutations = Mutations(space)
        self._proposed = 0
        self._met = Proposed(space)

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether the model can be asked."""

    @abstractmethod
    def _learn(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        """Adds trials to the model: architectures, int [n, decisions], and rewards, those of `_rewards_of`."""

    @abstractmethod
    def _best(self, count: int) -> np.ndarray:
        """Architectures of the trials with the highest rewards, int [count or less, decisions]."""

    @abstractmethod
    def _choose(self, candidates: np.ndarray, fixed: np.ndarray) -> list[np.ndarray | None]:
        """For each row of `fixed` a new candidate with these choices; None where there is none left."""

    @abstractmethod
    def _model_state(self) -> Any:
        """State of the model."""

    @abstractmethod
    def _restore_model(self, state: Any) -> None:
        """Restores the state of the model."""

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        fixed = self._space.fixed_choices(self._proposed, n)
        self._proposed += n
        chosen = self._choose(self._candidates(fixed), fixed) if self._is_ready() else [None] * n
        proposals = [
            self._random(choices) if tokens is None else tuple(map(int, tokens))
            for tokens, choices in zip(chosen, fixed, strict=True)
        ]
        self._met.wait_for(proposals)
        return proposals

    def observe(self, trials: Sequence[Trial]) -> None:
        """Adds the trials to the model; failures count as worse than all others."""
        if not trials:
            return
        ordered = sorted(trials, key=lambda trial: trial.index)
        for trial in ordered:
            self._met.meet(np.array(trial.architecture))
        self._learn(np.array([trial.architecture for trial in ordered]), self._rewards_of(ordered))
        self.withdraw([trial.architecture for trial in trials])

    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        """See `Withdrawing`."""
        self._met.forget(architectures)

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of the model."""
        return {}

    def state(self) -> State:
        """See `Resumable`."""
        return {
            "rng": self._rng.bit_generator.state,
            "model": self._model_state(),
            "proposed": self._proposed,
            "met": self._met.state(),
        }

    def restore(self, state: State) -> None:
        """See `Resumable`; raises `OutdatedStateError` for a state of earlier versions."""
        if "met" not in state:
            raise OutdatedStateError
        self._met.restore(state["met"])
        self._rng.bit_generator.state = state["rng"]
        self._restore_model(state["model"])
        self._proposed = state["proposed"]

    def _rewards_of(self, trials: Sequence[Trial]) -> np.ndarray:
        """Rewards of trials, float [n], -inf for failures."""
        rewards = np.array([np.nan if trial.reward is None else trial.reward for trial in trials])
        return np.where(np.isfinite(rewards), rewards, -np.inf)

    def _candidates(self, fixed: np.ndarray) -> np.ndarray:
        every = enumerated(self._space) if self.ENUMERATES else None
        if every is not None:
            return every
        best = self._best(self.PARENTS)
        parents = best[self._rng.integers(len(best), size=self.MUTATIONS)]
        wanted = fixed[np.arange(self.MUTATIONS) % len(fixed)]
        mutations = self._mutations.draw(self._rng, parents, wanted)
        drawn = [self._space.sample(self._rng, fixed_mapping(wanted[number])) for number in range(self.RANDOM)]
        return np.unique(np.concatenate([mutations, np.array(drawn, np.int32)]), axis=0)

    def _random(self, fixed: np.ndarray) -> Architecture:
        for _ in range(_TRIES):
            drawn = self._space.sample(self._rng, fixed_mapping(fixed))
            if self._met.meet(np.array(drawn)):
                break
        return drawn
