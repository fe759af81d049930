"""Rewards of shorter trainings, as lower fidelities of a model of the rewards.

A child that is trained for long has a reward at each rung on its way there: after so many epochs, up to the whole
training. Those of a rung are a task of the model, as in multi-task Bayesian optimization (Swersky et al. 2013) and
MOBSTER (Klein et al. 2020): the covariance of two rewards is that of their architectures times the correlation of their
rungs, the product of those of all neighbors between. The evidence chooses these.
"""

import numpy as np
from scipy.special import ndtri

PRIOR = (1.5, 1.5)
"""Mean and deviation of the prior of the logit of two neighboring rungs' correlation: 0.82, and 0.5 to 0.95."""


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Standard normal quantiles of the ranks, float [n]; equal values get equal scores."""
    ordered = np.sort(values)
    below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray(ndtri((below + upto) / (2 * len(values)))) if len(values) else values


def rung_scores(rewards: np.ndarray) -> np.ndarray:
    """Scores of rewards on one scale for all rungs.

    At the lowest rung they are normal scores. Those that reached a higher one are the better of these, so that their
    ranks among themselves say too little: they share the scores that they had at the rung below, in the order of their
    rewards at this one. Equal rewards get equal scores.

    Args:
        rewards: of children at each rung, float [n, rungs]; NaN at those that they did not reach.

    Returns:
        Same shape, NaN at the same places.
    """
    scores = np.full(rewards.shape, np.nan)
    scores[:, 0] = normal_scores(rewards[:, 0])
    for rung in range(1, rewards.shape[1]):
        reached = np.flatnonzero(~np.isnan(rewards[:, rung]))
        _, equal = np.unique(rewards[reached, rung], return_inverse=True)
        shared = np.sort(scores[reached, rung - 1])[np.argsort(np.argsort(equal, kind="stable"), kind="stable")]
        scores[reached, rung] = (np.bincount(equal, shared) / np.bincount(equal))[equal] if len(reached) else shared
    return scores


def latest(values: np.ndarray) -> np.ndarray:
    """What each child has at the highest rung that it reached, float [n], of [n, rungs]."""
    highest = np.maximum((~np.isnan(values)).sum(axis=1) - 1, 0)
    return np.asarray(np.take_along_axis(values, highest[:, np.newaxis], axis=1)[:, 0])


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
