"""Rewards of shorter trainings, as lower fidelities of a model of the rewards.

A child that is trained for long has a reward at each rung on its way there: after so many epochs, up to the whole
training. Those of a rung are a task of the model, as in multi-task Bayesian optimization (Swersky et al. 2013) and
MOBSTER (Klein et al. 2020): the covariance of two rewards is that of their architectures times the correlation of their
rungs, the product of those of all neighbors between. The evidence chooses these.
"""

from typing import NamedTuple, Self

import numpy as np

PRIOR = (1.5, 1.5)
"""Mean and deviation of the prior of the logit of two neighboring rungs' correlation: 0.82, and 0.5 to 0.95."""


class Rows(NamedTuple):
    """Rewards that the model knows, those of earlier trials first: of each the number of its point, and its rung."""

    points: np.ndarray
    rungs: np.ndarray

    @classmethod
    def of(cls, rewards: np.ndarray, before: int) -> Self:
        """Those of children, float [n, rungs], after so many earlier trials."""
        point, rung = np.nonzero(~np.isnan(rewards))
        earlier = np.arange(before), np.full(before, rewards.shape[1] - 1)
        return cls(np.concatenate([earlier[0], before + point]), np.concatenate([earlier[1], rung]))


def neighbors(logits: np.ndarray) -> np.ndarray:
    """Correlations of each rung with the next, float [rungs - 1]."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def correlations(logits: np.ndarray) -> np.ndarray:
    """Correlations of all rungs, float [rungs, rungs]."""
    places = np.concatenate([[0.0], np.cumsum(np.log(neighbors(logits)))])
    return np.asarray(np.exp(-np.abs(places[:, np.newaxis] - places)))


def slopes_of(slopes: np.ndarray, covariances: np.ndarray, rungs: np.ndarray, logits: np.ndarray) -> list[float]:
    """Derivatives of a loss by the logits.

    Args:
        slopes: of the loss by the covariances, float [n, n].
        covariances: with the correlations, without noise, float [n, n].
        rungs: of the rewards, int [n].
        logits: of the correlations.
    """
    products, reached = slopes * covariances, rungs > np.arange(len(logits))[:, np.newaxis]
    apart = [above[:, np.newaxis] != above for above in reached]  # the rung and the next are between the two
    return [float((1 - one) * products[pairs].sum()) for one, pairs in zip(neighbors(logits), apart, strict=True)]


def by_point(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sums over the rows of each point, float [points, points], of [rows, rows]."""
    firsts = np.flatnonzero(np.diff(points, prepend=-1))
    return np.asarray(np.add.reduceat(np.add.reduceat(values, firsts, axis=0), firsts, axis=1))
