"""Rewards of a child at the rungs of its training, which strategies with a model of the rewards tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from rl_nas.admission import reward_of
from rl_nas.trial import ChildError, Reward, Trial


@dataclass(frozen=True)
class Fidelities:
    """Trainings that may end at rungs.

    Attributes:
        epochs: of the rungs, growing; the last is the whole training. Empty: no training ends early, and trials have
            one reward.
        reward: of a measurement.
    """

    epochs: tuple[int, ...]
    reward: Reward

    @property
    def rungs(self) -> int:
        """Number of the rungs."""
        return max(1, len(self.epochs))

    def rewards(self, trials: Sequence[Trial]) -> np.ndarray:
        """Rewards of trials at each rung, float [trials, rungs]; NaN at those that one did not reach.

        They are those of the qualities that were measured there; costs are those of the whole trial. A failed trial has
        its reward, or -inf, at the first.
        """
        return np.array([self._of(trial) for trial in trials]).reshape(-1, self.rungs)

    def _of(self, trial: Trial) -> list[float]:
        measured = trial.measurement
        last = -np.inf if trial.reward is None else trial.reward
        if measured is None:
            return self._filled([last])
        found = list[float]()
        for quality in (measured.curve[epoch - 1] for epoch in self.epochs if epoch <= len(measured.curve)):
            metrics = {**measured.metrics, measured.quality_name: quality} if measured.metrics else {}
            try:
                found.append(reward_of(replace(measured, quality=quality, metrics=metrics), self.reward))
            except ChildError:  # a function of the user's, which has nothing to say of shorter trainings
                return self._filled([last])
        return self._filled(found or [last])

    def _filled(self, rewards: list[float]) -> list[float]:
        return rewards + [np.nan] * (self.rungs - len(rewards))


WHOLE = Fidelities((), attrgetter("quality"))
"""Trainings that all go to the end."""
