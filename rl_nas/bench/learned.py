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

    def observe(self, tokens: np.ndarray, rewards: np.ndarray, given: int = 0) -> None:
        """See `Runs`; what was given counts as a proposal of the present policies."""
        behavior = None
        if given < tokens.shape[1]:
            log_prob, updates = self._waiting.popleft()
            if log_prob is not None and updates != self._updates:
                behavior = np.pad(log_prob, [(0, 0), (given, 0)], constant_values=np.nan)
        self._learner.observe(tokens, rewards, self._free(tokens.shape[1]), behavior)
        self._updates += 1

    def _free(self, n: int) -> np.ndarray:
        return np.full([1, n, len(self._learner.space.decisions)], FREE, np.int32)
