"""Rewards as scores of their ranks, so that no scale has to be chosen."""

import numpy as np
from scipy.special import ndtri


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
