"""Means, deviations and intervals of runs."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
"""Bootstrap resamples behind an interval."""


@dataclass(frozen=True)
class Estimate:
    """A mean over runs.

    Attributes:
        mean: over the runs.
        std: sample standard deviation of one run.
        low: lower end of the 95% interval of the mean.
        high: its upper end.
    """

    mean: float
    std: float
    low: float
    high: float


def estimate(values: np.ndarray) -> Estimate:
    """Mean of independent runs, with a 95% bootstrap percentile interval (Efron 1979).

    Unlike mean ± 1.96 standard errors it stays within the values that occur, which matters where nearly
    all runs reach the maximum.

    Args:
        values: one of each run, float [runs].
    """
    # The resamples are those of a fixed seed: the same runs always get the same interval.
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    std = values.std(ddof=1) if len(values) > 1 else 0.0
    return Estimate(float(values.mean()), float(std), float(low), float(high))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; equal values share their mean rank. NaN where all values of a side are equal."""
    first, second = _ranks(one), _ranks(other)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return float(np.sum(first * second)) / scale if scale else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, np.newaxis] > values).sum(axis=1)
    equal = (values[:, np.newaxis] == values).sum(axis=1)
    ranks: np.ndarray = below + (equal - 1) / 2
    return ranks
