"""Bayesian optimization with a Gaussian process over graphs and choices (in the manner of Ru et al. 2021)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.fidelities import WHOLE, Fidelities
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.strategies.surrogate_search import SurrogateSearch
from rl_nas.surrogate.acquisition import choose_batch
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.trial import Trial

_MEMORY = 1000
"""Trials of the model."""


class GaussianProcessSearch(SurrogateSearch):
    """Proposes what a Gaussian process expects to improve most: `GaussianProcess`, `choose_batch`.

    In a space of up to 32,768 architectures all of them are candidates.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
        earlier: trials of an earlier search, by which the first proposals are made, too; None: those are random.
        fidelities: of trainings that may be stopped.
    """

    ENUMERATES = True

    def __init__(
        self,
        space: SearchSpace[Any],
        seed: int = 0,
        earlier: EarlierTrials | None = None,
        fidelities: Fidelities = WHOLE,
    ) -> None:
        super().__init__(space, seed)
        self._fidelities = fidelities
        self._model = GaussianProcess(space, _MEMORY, earlier=earlier, rungs=fidelities.rungs)

    def reward_again(self, reward: Callable[[Architecture], float]) -> None:
        """Gives all trials other rewards; see `GaussianProcess.reward_again`."""
        self._model.reward_again(reward)

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of the model: `GaussianProcess.figures`."""
        return self._model.figures()

    def _is_ready(self) -> bool:
        return len(self._model) >= self.WARM_UP or self._model.earlier is not None

    def _learn(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        self._model.observe(tokens, rewards)

    def _rewards_of(self, trials: Sequence[Trial]) -> np.ndarray:
        return self._fidelities.rewards(trials)

    def _best(self, count: int) -> np.ndarray:
        return self._model.best(count)

    def _choose(self, candidates: np.ndarray, fixed: np.ndarray) -> list[np.ndarray | None]:
        return choose_batch(self._model, candidates, fixed, self._met.meet, self._met.waiting())

    def _model_state(self) -> Any:
        return self._model.state()

    def _restore_model(self, state: Any) -> None:
        self._model.restore(state)
