"""Reward baselines. Rewards are float [replicas, batch]."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from rl_nas.checkpoint import State

_COMPARED = 4
"""Rewards whose mean one that comes alone is compared with."""


class Baseline(Protocol):
    """Turns rewards into advantages."""

    @property
    def value(self) -> np.ndarray | None:
        """The last baseline, float [replicas]; None before the first reward."""

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards minus the baseline, float [replicas, batch]."""

    def state(self) -> State:
        """The baseline's state, from earlier rewards."""

    def restore(self, state: State) -> None:
        """Restores the state."""


class MovingAverageBaseline:
    """Exponential moving average of *previous* rewards, debiased.

    Being independent of the batch that it is subtracted from, it leaves the policy gradient unbiased.
    Before the first reward there is nothing to average: rewards of the first batch are compared with the
    mean of the others, which is unbiased too.

    Args:
        decay: weight of the past (0.95 in Zoph et al. 2018, appendix A.2).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._sum: Any = 0.0
        self._weight = 0.0

    @property
    def value(self) -> np.ndarray | None:
        """The average, or None before the first reward."""
        return np.asarray(self._sum / self._weight) if self._weight else None

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards minus the baseline; then adds the rewards to the average, in order."""
        reference = _mean_of_others(rewards) if self.value is None else self.value[:, np.newaxis]
        for reward in rewards.T:
            self._sum = self._decay * self._sum + (1 - self._decay) * reward
            self._weight = self._decay * self._weight + (1 - self._decay)
        return np.asarray(rewards - reference)

    def state(self) -> State:
        """The weighted sum of rewards and the sum of weights."""
        return {"sum": self._sum, "weight": self._weight}

    def restore(self, state: State) -> None:
        """Restores the state."""
        self._sum, self._weight = state["sum"], state["weight"]


class LeaveOneOutBaseline:
    """The mean of the other rewards of the batch (Kool et al. 2019).

    A reward that comes alone is compared with the mean of the last ones before it, or with itself if it is the first.
    """

    def __init__(self) -> None:
        self._value: np.ndarray | None = None
        self._last: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray | None:
        """The mean of the last batch."""
        return self._value

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards minus the mean of the others."""
        reference, known = _mean_of_others(rewards), rewards
        if self._last is not None:
            known = np.concatenate([self._last, rewards], axis=1)
            if rewards.shape[1] == 1:
                reference = self._last.mean(axis=1, keepdims=True)
        self._last, self._value = known[:, -_COMPARED:], rewards.mean(axis=1)
        return np.asarray(rewards - reference)

    def state(self) -> State:
        """The last rewards, and the last mean for the figures."""
        return {"value": self._value, "last": self._last}

    def restore(self, state: State) -> None:
        """Restores the state."""
        self._value, self._last = state["value"], state.get("last")


BASELINES: dict[str, Callable[[float], Baseline]] = {
    "moving_average": MovingAverageBaseline,
    "leave_one_out": lambda decay: LeaveOneOutBaseline(),
}
"""Name -> function from the decay of averages to a baseline."""


def _mean_of_others(rewards: np.ndarray) -> np.ndarray:
    count = rewards.shape[1]
    return (rewards.sum(axis=1, keepdims=True) - rewards) / (count - 1) if count > 1 else rewards
