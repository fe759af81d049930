"""A Gaussian process of the rewards, whose kernel and noise are chosen by the evidence."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize
from scipy.linalg import cho_solve, solve_triangular

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.surrogate import earlier as prior_knowledge
from rl_nas.surrogate import fidelities
from rl_nas.surrogate.earlier import EarlierTrials, agreement, mixing, shared
from rl_nas.surrogate.features import Points, features_of
from rl_nas.surrogate.fidelities import Rows, by_point, correlations
from rl_nas.surrogate.kernel import Distances, Prior, SumKernel
from rl_nas.surrogate.scores import latest, normal_scores, rung_scores


class NoisePrior(NamedTuple):
    """Prior of the variance of the noise, in units of normal scores: median, and deviation of the logarithm."""

    median: float
    std: float


_NOISE = NoisePrior(0.05, 1.0)

_LEAST_NOISE = 1e-6
"""Is added to it for the sake of the Cholesky factor."""

_GROWTH = 1.2
"""The parameters are fitted again whenever the trials have grown by this factor."""

_FITTED = 400
"""Most trials that the parameters are fitted to: the best and the latest half."""

_BOUND = 4.0
"""Largest distance of a logarithm from its prior's mean, in deviations."""

_MOST_STEPS = 40
"""Iterations of the optimizer."""


class Posterior(NamedTuple):
    """What the model believes of the rewards of some architectures, given the trials.

    Attributes:
        points: the architectures.
        mean: float32 [n], in normal scores.
        variance: float32 [n], without the noise.
        whitened: covariances with the trials, solved by the Cholesky factor, float32 [trials, n].
    """

    points: Points
    mean: np.ndarray
    variance: np.ndarray
    whitened: np.ndarray


class GaussianProcess:
    """Regression of the rewards on architectures (Rasmussen and Williams 2006, chapters 2 and 5).

    Rewards enter as normal scores of their ranks, so that no scale has to be chosen and the worst children do not
    dominate. The parameters maximize the evidence times their prior; they are functions of the trials alone. Rewards of
    shorter trainings are lower fidelities (`rl_nas.surrogate.fidelities`); beliefs are those of whole ones.

    Args:
        space: of the architectures.
        memory: number of trials above which they are thinned: the best and the latest half stay, and all of the last
            batch.
        noise: prior of the noise.
        earlier: trials of an earlier search; `rl_nas.surrogate.earlier`.
        rungs: of the trainings; 1: all are whole ones.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        memory: int,
        *,
        noise: NoisePrior = _NOISE,
        earlier: EarlierTrials | None = None,
        rungs: int = 1,
    ) -> None:
        self.features = features_of(space)
        self._kernel = SumKernel(self.features.sizes)
        self._memory, self._noise, self._rungs = memory, noise, rungs
        self.earlier = None if earlier is None else earlier.thinned()
        before = np.zeros([0, len(space.decisions)], np.int32) if self.earlier is None else self.earlier.tokens
        self._before = self.features.points(before)
        self._offset = 0.0 if self.earlier is None else prior_knowledge.OFFSET
        self.tokens = np.zeros([0, len(space.decisions)], np.int32)
        self.rewards = np.zeros([0, rungs])
        self._parameters: np.ndarray | None = None
        self._fitted = 0
        self._points = self.features.points(self.tokens)
        self._factor: np.ndarray | None = None  # computed when it is needed
        self._residual = np.zeros(0)

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def noise(self) -> float:
        """Variance of a normal score around the model."""
        assert self._parameters is not None
        return float(np.exp(self._parameters[self._kernel.count(self._points)])) + _LEAST_NOISE

    def observe(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        """Adds trials.

        Args:
            tokens: their architectures, int [n, decisions].
            rewards: float [n], or at each rung, float [n, rungs], NaN at those that a trial did not reach; -inf for
                failures; at the lowest rung any other number that is not finite counts as one.
        """
        known = rewards.reshape(len(tokens), self._rungs).astype(np.float64)
        known[:, 0] = np.where(np.isfinite(known[:, 0]), known[:, 0], -np.inf)
        self.tokens = np.concatenate([self.tokens, tokens.astype(np.int32)])
        self.rewards = np.concatenate([self.rewards, known])
        if len(self) > 1.25 * self._memory:
            kept = self._best_and_latest(self._memory, len(tokens))
            self.tokens, self.rewards = self.tokens[kept], self.rewards[kept]
            self._fitted = min(self._fitted, len(self))
        self._points, self._factor = self.features.points(self.tokens), None

    def reward_again(self, reward: Callable[[tuple[int, ...]], float]) -> None:
        """Gives all trials other rewards, as a function of their architectures; the parameters are fitted to them."""
        self.rewards = np.array([[reward(tuple(tokens))] for tokens in self.tokens.tolist()]).reshape(-1, 1)
        self._fitted, self._factor = 0, None

    def posterior(self, tokens: np.ndarray) -> Posterior:
        """Beliefs of architectures, int [n, decisions]; needs trials."""
        return self.posterior_at(self.features.points(tokens))

    def best(self, count: int) -> np.ndarray:
        """Architectures of the trials with the highest rewards, from the best on, int32 [count or less, decisions].

        Those of the earlier trials, while there are no others.
        """
        known = EarlierTrials(self.tokens, self.scores) if len(self) or self.earlier is None else self.earlier
        return np.asarray(known.tokens[np.argsort(-known.rewards, kind="stable")[:count]], np.int32)

    @property
    def scores(self) -> np.ndarray:
        """Scores of the trials at the highest rungs that they reached, float [trials]."""
        return latest(rung_scores(self.rewards))

    def best_mean(self) -> float:
        """The largest posterior mean of a trial, which noise does not inflate; needs trials."""
        return float(self.posterior_at(self._points if len(self) else self._before).mean.max())

    def posterior_at(self, points: Points, rung: int = -1) -> Posterior:
        """Beliefs of points at a rung; needs trials."""
        self._update()
        assert self._parameters is not None
        covariance = self.covariance(self._points, points)
        if self.earlier is not None:
            known = self._kernel(self._of_kernel, Distances.between(self._before, points))
            covariance = np.concatenate([np.float32(shared(self._parameters)) * known, covariance])
        if self._rungs > 1:
            rows, among = self._rows(self.rewards), self.rung_correlations.astype(np.float32)
            covariance = covariance[rows.points] * among[rows.rungs, rung, np.newaxis]
        whitened = solve_triangular(self._factor, covariance, lower=True, check_finite=False)
        variance = np.maximum(self.prior_variance - (whitened * whitened).sum(axis=0), 0)
        return Posterior(points, self._residual @ whitened, variance, whitened)

    def whitened(self, waiting: Posterior, points: Points, known: np.ndarray) -> np.ndarray:
        """Rows that `Posterior.whitened` of points would also have if architectures that wait for trials had theirs.

        Args:
            waiting: beliefs of m architectures.
            points: of n others.
            known: `Posterior.whitened` of these, float32 [trials, n].

        Returns:
            float32 [m, n].
        """
        noise = self.noise * np.eye(len(waiting.points), dtype=np.float32)
        among = self.covariance(waiting.points, waiting.points) - waiting.whitened.T @ waiting.whitened
        between = self.covariance(waiting.points, points) - waiting.whitened.T @ known
        return np.asarray(solve_triangular(np.linalg.cholesky(among + noise), between, lower=True, check_finite=False))

    def covariance(self, left: Points, right: Points) -> np.ndarray:
        """Prior covariances of new rewards, float32 [n, m]; needs trials."""
        return self._kernel(self._of_kernel, Distances.between(left, right)) + np.float32(self._offset)

    @property
    def rung_correlations(self) -> np.ndarray:
        """Correlations of the rungs, float [rungs, rungs]; needs trials."""
        assert self._parameters is not None
        return correlations(self._logits(self._parameters))

    @property
    def prior_variance(self) -> float:
        """Prior variance of every architecture."""
        return self._kernel.variance(self._of_kernel) + self._offset

    @property
    def _of_kernel(self) -> np.ndarray:
        assert self._parameters is not None
        return self._parameters[: self._kernel.count(self._points)]

    def figures(self) -> dict[str, float]:
        """Parameters by name; none before the first fit.

        `noise`: its part of the variance of normal scores. `prior_agreement`: the correlation with earlier trials, if
        there are any. `rung_correlation/1` and so on: that of each rung with whole trainings.
        """
        if self._parameters is None:
            return {}
        of_rungs = enumerate(self.rung_correlations[:-1, -1].tolist(), start=1)
        return {
            "noise": self.noise,
            **({} if self.earlier is None else {"prior_agreement": agreement(self._parameters)}),
            **{f"rung_correlation/{number}": value for number, value in of_rungs},
        }

    def settle(self) -> None:
        """Fits the parameters if they are due: they depend on the numbers of trials at which that is asked."""
        if self._parameters is None or len(self) >= _GROWTH * self._fitted:
            self._fit()

    def state(self) -> State:
        """The trials and the parameters; all else is computed again."""
        return {
            "tokens": self.tokens.astype(np.int16),
            "rewards": self.rewards,
            "parameters": self._parameters,
            "fitted": self._fitted,
        }

    def restore(self, state: State) -> None:
        """Restores the state of a model of the same space; raises ValueError if it contradicts itself."""
        tokens, rewards = state["tokens"].astype(np.int32), state["rewards"]
        known = rewards.shape == (len(tokens), self._rungs) and tokens.shape[1:] == (len(self.features.sizes),)
        if not known or not (tokens < self.features.sizes).all():
            raise ValueError(f"trials {tokens.shape} and rewards {rewards.shape}, of {self._rungs} rungs")
        parameters, count = state["parameters"], self._kernel.count(self._before) + 1
        count += self._rungs - 1 + (0 if self.earlier is None else prior_knowledge.PRIOR.shape[1])
        if parameters is not None and len(parameters) != count:
            raise ValueError(f"{len(parameters)} parameters; expected {count}")
        self.tokens, self.rewards = tokens, rewards
        self._parameters, self._fitted = state["parameters"], state["fitted"]
        self._points, self._factor = self.features.points(tokens), None

    def _update(self) -> None:
        if self._factor is not None:
            return
        scores = self._scores(np.arange(len(self)))
        self.settle()
        assert self._parameters is not None
        points, rows = self._before.joined(self._points), self._rows(self.rewards)
        covariance = self._covariance(self._parameters, Distances.between(points, points), rows, np.float32)
        self._factor = np.linalg.cholesky(covariance)
        self._residual = solve_triangular(self._factor, scores.astype(np.float32), lower=True, check_finite=False)

    def _rows(self, rewards: np.ndarray) -> Rows:
        return Rows.of(rewards, len(self._before))

    def _logits(self, parameters: np.ndarray) -> np.ndarray:
        """Parameters of the rungs' correlations, which come after the noise."""
        first = self._kernel.count(self._points) + 1
        return parameters[first : first + self._rungs - 1]

    def _scores(self, kept: np.ndarray) -> np.ndarray:
        """Scores of the earlier trials among themselves, and of some of the new ones among these, of each row."""
        of_rungs = rung_scores(self.rewards)[kept]
        new = of_rungs[~np.isnan(of_rungs)]
        return new if self.earlier is None else np.concatenate([normal_scores(self.earlier.rewards), new])

    def _covariance(self, parameters: np.ndarray, distances: Distances, rows: Rows, dtype: type) -> np.ndarray:
        """Prior covariances of rows, with the noise, of a type of numbers."""
        count, before = self._kernel.count(self._points), len(self._before)
        covariance: np.ndarray = self._kernel(parameters[:count], distances).astype(dtype)
        noise: np.ndarray = np.full(len(rows.rungs), np.exp(parameters[count]) + _LEAST_NOISE, dtype)
        if self.earlier is not None:
            covariance *= mixing(before, len(covariance) - before, parameters)
            covariance[before:, before:] += self._offset
            noise[:before] = np.exp(parameters[-3]) + _LEAST_NOISE
        if self._rungs > 1:
            among: np.ndarray = correlations(self._logits(parameters)).astype(dtype)
            covariance = covariance[np.ix_(rows.points, rows.points)] * among[np.ix_(rows.rungs, rows.rungs)]
        covariance[np.diag_indices_from(covariance)] += noise
        return covariance

    def _fit(self) -> None:
        kept = self._best_and_latest(_FITTED) if len(self) > _FITTED else np.arange(len(self))
        points, rows = self._before.joined(self._points.take(kept)), self._rows(self.rewards[kept])
        prior = self._prior(points)
        lowest, highest = prior.mean - _BOUND * prior.std, prior.mean + _BOUND * prior.std
        start = prior.mean if self._parameters is None else np.clip(self._parameters, lowest, highest)
        distances, scores = Distances.between(points, points), self._scores(kept)
        found = optimize.minimize(
            lambda parameters: self._loss(parameters, prior, distances, rows, scores),
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([lowest, highest], axis=1),
            options={"maxiter": _MOST_STEPS},
        )
        self._parameters, self._fitted = found.x, len(self)

    def _prior(self, points: Points) -> Prior:
        """The prior of all parameters: of the kernel, the noise, the rungs, the earlier trials."""
        of_kernel = self._kernel.prior(points)
        further = [(np.log(self._noise.median), self._noise.std), *[fidelities.PRIOR] * (self._rungs - 1)]
        further += [] if self.earlier is None else prior_knowledge.PRIOR.T.tolist()
        mean, std = np.array(further).T
        return Prior(np.append(of_kernel.mean, mean), np.append(of_kernel.std, std))

    def _loss(
        self, parameters: np.ndarray, prior: Prior, distances: Distances, rows: Rows, scores: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Negative logarithm of evidence times prior, up to a constant, and its gradient."""
        count, before = self._kernel.count(self._points), len(self._before)
        covariance = self._covariance(parameters, distances, rows, np.float64)
        factor = np.linalg.cholesky(covariance)
        inverse = cho_solve((factor, True), np.eye(len(scores)), check_finite=False)
        weighted = inverse @ scores
        slopes = (inverse - np.outer(weighted, weighted)) / 2  # of the loss by the covariances
        further = [np.exp(parameters[count]) * np.diag(slopes)[before:].sum()]
        if self._rungs > 1:
            logits = self._logits(parameters)
            further += fidelities.slopes_of(slopes, covariance, rows.rungs, logits)
            slopes = by_point(slopes * correlations(logits)[np.ix_(rows.rungs, rows.rungs)], rows.points)
        of_kernel = slopes.astype(np.float32)
        if self.earlier is not None:
            kernel = self._kernel(parameters[:count], distances)
            further += prior_knowledge.slopes_of(slopes, kernel, before, parameters)
            of_kernel = of_kernel * mixing(before, len(kernel) - before, parameters)
        gradient = self._kernel.gradient(parameters[:count], distances, of_kernel)
        distance = (parameters - prior.mean) / prior.std
        loss = scores @ weighted / 2 + np.log(np.diag(factor)).sum() + distance @ distance / 2
        return float(loss), np.append(gradient, further) + distance / prior.std

    def _best_and_latest(self, count: int, batch: int = 0) -> np.ndarray:
        """Numbers of the best and the latest half of so many trials, ascending, and of all of the last batch."""
        half = count // 2
        latest = max(half, batch)
        best = np.argsort(self.scores[:-latest], kind="stable")[-half:]
        return np.concatenate([np.sort(best), np.arange(len(self) - latest, len(self))])
