"""Asynchronous successive halving by a model of all children."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rl_nas.early_stopping.rules import Finished, HalvingRule
from rl_nas.early_stopping.thresholds import NONE, EarlyStopSettings
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.surrogate.scores import rung_scores
from rl_nas.trial import Job

_MEMORY = 1000
"""Children that the model keeps."""


class ModelRule(HalvingRule):
    """Compares what a model expects of the whole training.

    At a rung, a child goes on if the quality that is expected of it at the end is among the best one in `factor` of
    those expected of all children that reached the rung. The model is a Gaussian process over architectures and rungs
    (`rl_nas.surrogate.fidelities`), as in MOBSTER (Klein et al. 2020), where children go on by the rank of the rung's
    quality alone. Here the architecture counts too, the more so the less a rung's ranks say of final ones.

    Args:
        space: of the architectures.
        settings: see `HalvingRule`.
        epochs: likewise.
    """

    def __init__(self, space: SearchSpace[Any], settings: EarlyStopSettings, epochs: int) -> None:
        super().__init__(settings, epochs)
        self._space = space
        self._forget()

    def thresholds(self, child: Job, finished: Sequence[Finished]) -> tuple[float, ...]:
        """See `Rule`."""
        self._learn(finished)
        return super().thresholds(child, finished)

    def _forget(self) -> None:
        self._model = GaussianProcess(self._space, _MEMORY, rungs=len(self.rungs))
        self._known: list[Finished] = []

    def _learn(self, finished: Sequence[Finished]) -> None:
        """Shows the model the children one after the other, so that it is a function of them."""
        if list(finished[: len(self._known)]) != self._known:
            self._forget()
        for other in finished[len(self._known) :]:
            reached = [other.curve[epochs - 1] for epochs in self.rungs if epochs <= len(other.curve)]
            if reached:
                row = reached + [math.nan] * (len(self.rungs) - len(reached))
                self._model.observe(np.array([other.architecture]), np.array([row]))
                self._model.settle()
            self._known.append(other)

    def threshold(self, child: Job, rung: int, finished: Sequence[Finished]) -> float:
        """See `HalvingRule.threshold`: the quality from which the expected final one is among the best."""
        model = self._model
        reached = ~np.isnan(model.rewards[:, rung])
        wanted = np.quantile(model.posterior(model.tokens[reached]).mean, 1 - 1 / self.settings.factor)
        points = model.features.points(np.array([child.architecture]))
        here, final = model.posterior_at(points, rung), model.posterior_at(points)
        shared = model.prior_variance * model.rung_correlations[rung, -1] - here.whitened[:, 0] @ final.whitened[:, 0]
        slope = shared / (here.variance[0] + model.noise)
        if slope <= 0:  # the present quality does not predict the final one
            return NONE
        score = here.mean[0] + (wanted - final.mean[0]) / slope
        return _quality_of(score, rung_scores(model.rewards)[reached, rung], model.rewards[reached, rung])


def _quality_of(score: float, scores: np.ndarray, qualities: np.ndarray) -> float:
    """The quality of a score, between those that are known and on the line of their better half above."""
    order = np.argsort(scores, kind="stable")
    scores, qualities = scores[order], qualities[order]
    if score < scores[0]:
        return NONE
    half = len(scores) // 2
    if score <= scores[-1] or scores[-1] == scores[half]:
        return float(np.interp(score, scores, qualities))
    slope = (qualities[-1] - qualities[half]) / (scores[-1] - scores[half])
    return float(qualities[-1] + slope * (score - scores[-1]))
