"""Runs of the RNN controllers, all policies in one call of the graph."""

from collections import deque

import numpy as np

from rl_nas.controller.learner import PolicyLearner
from rl_nas.spaces.decisions import FREE


class LearnerRuns:
    """Runs of a learner in a space where no choice is fixed."""

    def __init__(self, learner: PolicyLearner) -> None:
        self._learner = learner
        self._updates = 0
        self._waiting: deque[tuple[np.ndarray | None, int]] = deque()  # log-probabilities, number of updates

    def propose(self, n: int) -> np.ndarray:
        """See `Runs`."""
        tokens = self._learner.propose(n, self._free(n))
        self._waiting.append((self._learner.log_prob, self._updates))
        return tokens

    def observe(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        """See `Runs`."""
        log_prob, updates = self._waiting.popleft()
        behavior = None if updates == self._updates else log_prob
        self._learner.observe(tokens, rewards, self._free(tokens.shape[1]), behavior)
        self._updates += 1

    def _free(self, n: int) -> np.ndarray:
        return np.full([1, n, len(self._learner.space.decisions)], FREE, np.int32)
