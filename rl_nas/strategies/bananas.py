"""BANANAS (White et al. 2021): an ensemble of neural predictors over path encodings, by scikit-learn."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from rl_nas.spaces.decisions import FREE, SearchSpace
from rl_nas.strategies.surrogate_search import SurrogateSearch
from rl_nas.surrogate.paths import PathEncoding

_NETWORKS = 5
"""Networks of the ensemble."""

_UNITS = (20,) * 10
"""Units of their hidden layers: ten of twenty."""

_RATE, _EPOCHS = 0.01, 200
"""Learning rate of Adam, and most passes over the trials."""


class Bananas(SurrogateSearch):
    """Proposes the best of independent Thompson samples of an ensemble of networks.

    The rewards of a candidate are drawn from a normal distribution with mean and deviation of the ensemble's
    predictions, and those with the highest draws are chosen (White et al. 2021, section 4), among mutations of the
    best trials and random architectures. The ensemble is trained anew for each batch.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
    """

    def __init__(self, space: SearchSpace[Any], seed: int = 0) -> None:
        super().__init__(space, seed)
        self._encode = PathEncoding(space)
        self._tokens = np.zeros([0, len(space.decisions)], np.int32)
        self._rewards = np.zeros(0)

    def _is_ready(self) -> bool:
        return int(np.isfinite(self._rewards).sum()) >= self.WARM_UP

    def _learn(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        self._tokens = np.concatenate([self._tokens, tokens.astype(np.int32)])
        self._rewards = np.concatenate([self._rewards, rewards])

    def _best(self, count: int) -> np.ndarray:
        return self._tokens[np.argsort(-self._rewards, kind="stable")[:count]]

    def _choose(self, candidates: np.ndarray, fixed: np.ndarray) -> list[np.ndarray | None]:
        predictions = self._predictions(candidates)
        draws = self._rng.normal(predictions.mean(axis=0), predictions.std(axis=0, ddof=1))
        ranked, chosen = list(np.argsort(-draws, kind="stable")), list[np.ndarray | None]()
        for choices in fixed:
            allowed = ((choices == FREE) | (candidates == choices)).all(axis=1)
            place = next(
                (p for p, number in enumerate(ranked) if allowed[number] and self._met.meet(candidates[number])), None
            )
            chosen.append(None if place is None else candidates[ranked.pop(place)])
        return chosen

    def _predictions(self, candidates: np.ndarray) -> np.ndarray:
        """Rewards by each network, in deviations of the rewards that it learned from, float [networks, n]."""
        succeeded = np.isfinite(self._rewards)
        rewards = np.where(succeeded, self._rewards, self._rewards[succeeded].min())
        targets = (rewards - rewards.mean()) / (rewards.std() or 1.0)
        known, wanted = self._encode(self._tokens).astype(np.float32), self._encode(candidates).astype(np.float32)
        found = []
        for seed in self._rng.integers(2**31, size=_NETWORKS):
            network = MLPRegressor(
                hidden_layer_sizes=_UNITS,
                learning_rate_init=_RATE,
                max_iter=_EPOCHS,
                batch_size=min(32, len(known)),
                random_state=int(seed),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                network.fit(known, targets)
            found.append(network.predict(wanted))
        return np.array(found)

    def _model_state(self) -> Any:
        return {"tokens": self._tokens.astype(np.int16), "rewards": self._rewards}

    def _restore_model(self, state: Any) -> None:
        tokens, rewards = state["tokens"].astype(np.int32), state["rewards"]
        if tokens.shape != (len(rewards), len(self._space.decisions)):
            raise ValueError(f"trials {tokens.shape} and {len(rewards)} rewards")
        self._tokens, self._rewards = tokens, rewards
