"""Reward baselines: what a reward is compared with."""

from typing import Any

import numpy as np


class MovingAverageBaseline:
    """Exponential moving average of *previous* rewards, debiased.

    Being independent of the batch that it is subtracted from, it leaves the policy gradient unbiased.
    Before the first reward there is nothing to average: the first batch is compared with the mean of
    its other members, which is unbiased too.

    Args:
        decay: weight of the past (0.95 in Zoph et al. 2018, appendix A.2).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._sum = 0.0
        self._weight = 0.0

    @property
    def value(self) -> float | None:
        """The average, or None before the first reward."""
        return self._sum / self._weight if self._weight else None

    def advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards [batch] minus the baseline; the rewards then join the average, in order."""
        advantages: np.ndarray = rewards - self._reference(rewards)
        for reward in rewards:
            self._sum = self._decay * self._sum + (1 - self._decay) * float(reward)
            self._weight = self._decay * self._weight + (1 - self._decay)
        return advantages

    def _reference(self, rewards: np.ndarray) -> Any:
        if self.value is not None:
            return self.value
        if len(rewards) == 1:
            return rewards
        return (rewards.sum() - rewards) / (len(rewards) - 1)
