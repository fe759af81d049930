"""Which candidates to evaluate next: expected improvement, for a batch one after the other."""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from rl_nas.spaces.decisions import FREE
from rl_nas.surrogate.gaussian_process import GaussianProcess, Posterior

_LEAST_STD = 1e-6


def choose_batch(
    model: GaussianProcess,
    candidates: np.ndarray,
    fixed: np.ndarray,
    is_new: Callable[[np.ndarray], bool],
    pending: np.ndarray | None = None,
) -> list[np.ndarray | None]:
    """The candidates to evaluate, each the one of the largest expected improvement.

    The improvement is on the largest posterior mean of a trial, which noise does not inflate. What was chosen makes
    those like it less uncertain: variances are conditioned on it as if its reward were the expected one, so that the
    means stay (the "kriging believer" of Ginsbourger et al. 2010).

    Args:
        model: with trials.
        candidates: architectures, int [n, decisions].
        fixed: of each to choose, int [children, decisions]; `FREE` where any choice will do.
        is_new: whether an architecture may be chosen; asked once for each that would be.
        pending: architectures that were chosen before and have no trials yet, int [m, decisions]; variances are
            conditioned on them, too.

    Returns:
        For each child an architecture, None where no candidate is left.
    """
    best = model.best_mean()
    beliefs = _Beliefs(model, model.posterior(candidates), len(fixed))
    if pending is not None and len(pending):
        beliefs.condition_on(model.posterior(pending))
    left, chosen = np.ones(len(candidates), bool), list[np.ndarray | None]()
    for choices in fixed:
        allowed = left & ((choices == FREE) | (candidates == choices)).all(axis=1)
        improvement = np.where(allowed, beliefs.improvement(best), -np.inf)
        found = None
        while found is None and len(candidates) and improvement[number := int(improvement.argmax())] >= 0:
            left[number], improvement[number] = False, -np.inf
            if is_new(candidates[number]):
                found = candidates[number]
                beliefs.condition(number)
        chosen.append(found)
    return chosen


def expected_improvement(mean: np.ndarray, variance: np.ndarray, best: float) -> np.ndarray:
    """Mean of max(0, f - best) of normal f (Jones et al. 1998), float [n]."""
    std = np.sqrt(np.maximum(variance, _LEAST_STD**2))
    ahead = (mean - best) / std
    density = np.exp(-ahead * ahead / 2) / np.sqrt(2 * np.pi)
    return np.asarray(np.maximum(std * (ahead * ndtr(ahead) + density), 0))


class _Beliefs:
    """Beliefs of candidates, some of which were chosen."""

    def __init__(self, model: GaussianProcess, posterior: Posterior, most: int) -> None:
        self._model, self._points, self._mean = model, posterior.points, posterior.mean
        self._variance = posterior.variance
        self._known = len(posterior.whitened)
        self._whitened = np.concatenate([posterior.whitened, np.zeros([most, len(posterior.points)], np.float32)])

    def improvement(self, best: float) -> np.ndarray:
        return expected_improvement(self._mean, self._variance, best)

    def condition_on(self, others: Posterior) -> None:
        """Conditions the variances on architectures that are not among the candidates."""
        known = self._whitened[: self._known]
        rows = self._model.whitened(others, self._points, known)
        self._variance = np.maximum(self._variance - (rows * rows).sum(axis=0), 0)
        self._whitened = np.concatenate([known, rows, self._whitened[self._known :]])
        self._known += len(rows)

    def condition(self, number: int) -> None:
        """Conditions the variances on a candidate."""
        known = self._whitened[: self._known]
        covariance = self._model.covariance(self._points.take([number]), self._points)[0] - known[:, number] @ known
        row = covariance / np.sqrt(self._variance[number] + self._model.noise)
        self._variance = np.maximum(self._variance - row * row, 0)
        self._whitened[self._known] = row
        self._known += 1
