"""Runs of the RNN controllers, all policies in one call of the graph."""

import numpy as np

from rl_nas.controller.learner import PolicyLearner
from rl_nas.spaces.decisions import FREE


class LearnerRuns:
    """Runs of a learner in a space where no choice is fixed."""

    def __init__(self, learner: PolicyLearner) -> None:
        self._learner = learner

    def propose(self, n: int) -> np.ndarray:
        """See `Runs`."""
        return self._learner.propose(n, self._free(n))

    def observe(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        """See `Runs`."""
        self._learner.observe(tokens, rewards, self._free(tokens.shape[1]))

    def _free(self, n: int) -> np.ndarray:
        return np.full([1, n, len(self._learner.space.decisions)], FREE, np.int32)
