"""The model's prior covariance: two ways in which architectures are alike, and how much each of them counts."""

from typing import NamedTuple, Self

import numpy as np

from rl_nas.surrogate.features import Counts, Points

_SCALE, _SCALE_STD = 0.5, 1.5
"""Prior of a part's variance: median, and deviation of the logarithm; the rewards have variance 1."""

_GRAPH_EXPONENT, _CHOICES_EXPONENT = 1.0, 2.4
"""Prior medians of the exponents for typical pairs: of each depth of subtrees, and of all decisions together."""

_RATE_STD = 1.0
"""Prior deviation of the logarithm of a rate."""


class Prior(NamedTuple):
    """Independent normal distributions of the logarithms of the parameters, each float [parameters]."""

    mean: np.ndarray
    std: np.ndarray


class Distances(NamedTuple):
    """Distances between architectures, computed once for many values of the parameters.

    Attributes:
        subtrees: for each depth the squared distance of the counts, float32 [n, m].
        left: one-hot choices, float32 [n, choices].
        right: the same of the others, float32 [m, choices].
    """

    subtrees: tuple[np.ndarray, ...]
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def between(cls, left: Points, right: Points) -> Self:
        """Distances of each on the left to each on the right."""
        pairs = zip(left.subtrees, right.subtrees, strict=True)
        return cls(tuple(_squared(one, other) for one, other in pairs), left.choices, right.choices)


class SumKernel:
    """k(x, y) = s exp(-sum over depths r |f(x) - f(y)|^2) + t exp(-sum over decisions w [x != y]).

    The first part compares counts of subtrees f, the second choices, a Hamming distance with a rate for each decision
    (automatic relevance determination). In a space without graphs the first part is missing.

    Args:
        sizes: choices of each decision.
    """

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._decision = np.repeat(np.arange(len(sizes)), sizes)

    def count(self, points: Points) -> int:
        """Number of the parameters."""
        return 1 + len(self._sizes) + (1 + len(points.subtrees) if points.subtrees else 0)

    def prior(self, points: Points) -> Prior:
        """The prior of the logarithms of s, the rates r, t, the rates w; rates are in units of typical distances."""
        mean, std = list[float](), list[float]()
        if points.subtrees:
            typical = [max(1.0, float(2 * counts.values.var(axis=0).sum())) for counts in points.subtrees]
            mean += [np.log(_SCALE), *(np.log(_GRAPH_EXPONENT / distance) for distance in typical)]
            std += [_SCALE_STD, *[_RATE_STD] * len(typical)]
        differ = sum(1 - 1 / size for size in self._sizes)
        mean += [np.log(_SCALE), *[np.log(_CHOICES_EXPONENT / max(1.0, differ))] * len(self._sizes)]
        std += [_SCALE_STD, *[_RATE_STD] * len(self._sizes)]
        return Prior(np.array(mean), np.array(std))

    def variance(self, parameters: np.ndarray) -> float:
        """k(x, x)."""
        graphs = len(parameters) - len(self._sizes) - 1
        return float(np.exp(parameters[graphs]) + (np.exp(parameters[0]) if graphs else 0.0))

    def __call__(self, parameters: np.ndarray, distances: Distances) -> np.ndarray:
        """Covariances, float32 [n, m]; `parameters` are logarithms."""
        return np.asarray(sum(self._parts(parameters, distances)))

    def gradient(self, parameters: np.ndarray, distances: Distances, weights: np.ndarray) -> np.ndarray:
        """Derivatives of sum(weights * k) by the parameters, float [parameters].

        Args:
            parameters: logarithms.
            distances: of n architectures to themselves.
            weights: float32 [n, n].
        """
        *graph, choices = (weights * part for part in self._parts(parameters, distances))
        slopes = list[float]()
        if graph:
            rates = np.exp(parameters[1 : 1 + len(distances.subtrees)])
            pairs = zip(rates, distances.subtrees, strict=True)
            slopes += [graph[0].sum(), *(-rate * np.vdot(graph[0], distance) for rate, distance in pairs)]
        equal = np.bincount(self._decision, ((choices @ distances.right) * distances.left).sum(axis=0))
        rates = np.exp(parameters[-len(self._sizes) :])
        return np.array([*slopes, choices.sum(), *(-rates * (choices.sum() - equal))])

    def _parts(self, parameters: np.ndarray, distances: Distances) -> list[np.ndarray]:
        values = np.exp(parameters).astype(np.float32)
        depths, parts = len(distances.subtrees), list[np.ndarray]()
        if depths:
            exponent = sum(rate * d for rate, d in zip(values[1 : 1 + depths], distances.subtrees, strict=True))
            parts.append(values[0] * np.exp(-exponent))
            values = values[1 + depths :]
        rates = values[1:]
        equal = (distances.left * rates[self._decision]) @ distances.right.T
        parts.append(values[0] * np.exp(np.minimum(equal - rates.sum(), 0)))
        return parts


def _squared(left: Counts, right: Counts) -> np.ndarray:
    met = left.values.any(axis=0)  # most counters of a few architectures are 0
    products = left.values[:, met] @ right.values[:, met].T
    return np.asarray(left.squares[:, np.newaxis] + right.squares - 2 * products)
