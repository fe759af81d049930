"""Means, deviations, rank correlations and their intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
"""Bootstrap resamples behind an interval."""

FEW = 1000
"""Trials below which the interval of a proportion is wide enough to be told: above, at most 0.06."""

_Z = 1.959963984540054
"""Quantile of the normal distribution for 97.5%."""


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

    Unlike mean ± 1.96 standard errors it stays within the values that occur, which matters if nearly all runs
    reach the maximum.

    Args:
        values: one of each run, float [runs].
    """
    # A fixed seed: the same runs always get the same interval.
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    std = values.std(ddof=1) if len(values) > 1 else 0.0
    return Estimate(float(values.mean()), float(std), float(low), float(high))


def proportion_interval(successes: float, total: int) -> tuple[float, float]:
    """The 95% interval of a proportion (Wilson 1927), which stays within 0 and 1.

    Args:
        successes: trials that succeeded; a mean over runs need not be whole.
        total: all trials, at least 1.
    """
    if total < 1 or not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} trials; expected at least one, and no more successes than trials")
    share, scale = successes / total, 1 + _Z**2 / total
    middle = (share + _Z**2 / (2 * total)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def proportion_text(share: float, total: int, few: int = FEW) -> str:
    """A proportion, with its 95% interval where trials are known and few: `0.9867 (95%: 0.9662 to 0.9948)`.

    Args:
        share: of the trials that succeeded.
        total: all trials; 0: unknown.
        few: trials below which they are.
    """
    if not (0 < total < few and 0 <= share <= 1):
        return f"{share:.4f}"
    low, high = proportion_interval(share * total, total)
    return f"{share:.4f} (95%: {low:.4f} to {high:.4f})"


def pooled_deviation(groups: Sequence[Sequence[float]]) -> float | None:
    """The standard deviation that groups of values have in common; None if no group has two."""
    degrees = sum(len(group) - 1 for group in groups)
    if degrees < 1:
        return None
    return math.sqrt(sum(float(np.sum((np.array(group) - np.mean(group)) ** 2)) for group in groups) / degrees)


def mean_interval(group: Sequence[float], groups: Sequence[Sequence[float]]) -> float | None:
    """Half of the 95% interval of a group's mean, by Student's t and the pooled deviation; None if it is not known."""
    deviation = pooled_deviation(groups)
    if deviation is None:
        return None
    from scipy.special import stdtrit  # here: most who need this module do without SciPy

    degrees = sum(len(one) - 1 for one in groups)
    return float(stdtrit(degrees, 0.975)) * deviation / math.sqrt(len(group))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; equal values share their mean rank. NaN if all values of a side are equal."""
    first, second = _ranks(one), _ranks(other)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return float(np.sum(first * second)) / scale if scale else float("nan")


def kendall(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's rank correlation, tau-b: concordant less discordant pairs, without ties.

    NaN if all values of a side are equal.
    """
    first, second = (np.sign(values[:, np.newaxis] - values) for values in (one, other))
    scale = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return float(np.sum(first * second)) / scale if scale else float("nan")


class Correlation(NamedTuple):
    """A rank correlation with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def correlation(one: np.ndarray, other: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], float]) -> Correlation:
    """A rank correlation with a 95% bootstrap percentile interval over the pairs (Efron 1979).

    Args:
        one: float [pairs].
        other: float [pairs].
        measure: `spearman` or `kendall`.
    """
    drawn = np.random.default_rng(0).integers(len(one), size=(RESAMPLES, len(one)))
    values = [measure(one[pairs], other[pairs]) for pairs in drawn]
    finite = [value for value in values if np.isfinite(value)]
    low, high = np.percentile(finite, [2.5, 97.5]) if finite else (float("nan"), float("nan"))
    return Correlation(measure(one, other), float(low), float(high))


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, np.newaxis] > values).sum(axis=1)
    equal = (values[:, np.newaxis] == values).sum(axis=1)
    ranks: np.ndarray = below + (equal - 1) / 2
    return ranks
