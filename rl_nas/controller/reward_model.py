"""A Bayesian model of rewards in single decisions and pairs of them, on which a controller practices."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State

SINGLE, PAIRS = 6.0, 7.35
"""Prior variances of a reward's two parts: sums over decisions and over pairs of decisions."""


class RewardSamples(NamedTuple):
    """Functions drawn from the posterior, as `imagined_rewards` computes them; all float32.

    Attributes:
        single: weights of single choices, [runs, samples, features].
        pairs: weights of pairs of choices, [runs, samples, features, features].
        points: the observed architectures, [runs, observed, features].
        weights: of the kernel at these, [runs, samples, observed].
    """

    single: np.ndarray
    pairs: np.ndarray
    points: np.ndarray
    weights: np.ndarray


class PairModel:
    """Gaussian process of the kernel SINGLE m/D + PAIRS m(m-1)/(D(D-1)), m the number of equal choices of D.

    It is the Bayesian linear model whose features are all single choices and all pairs of choices, with
    independent normal weights: it knows nothing of the meaning of choices. Rewards enter as normal scores of
    their ranks, so that no scale has to be chosen and the worst children do not dominate. The Cholesky
    factor of the kernel matrix is extended by rows, a cost of observed^2 for each new trial.

    Args:
        shape: decisions, and the largest number of choices.
        noise: variance of a normal score around the model.
        memory: number of trials above which they are thinned: the best and the latest half stay.
        runs: independent models side by side.
    """

    def __init__(self, shape: tuple[int, int], noise: float, memory: int, runs: int) -> None:
        self._decisions, self._features = shape[0], shape[0] * shape[1]
        self._noise, self._memory = noise, memory
        self._points = np.zeros([runs, 0, self._features], np.float32)
        self.rewards = np.zeros([runs, 0])
        self._begun = self._factor = np.zeros([runs, 0, 0])
        self._batches: list[int] = []  # sizes of those that extended the factor since `_begun`
        decision = np.arange(self._features) // shape[1]
        pair_std = math.sqrt(2 * PAIRS / max(1, shape[0] * (shape[0] - 1)))
        # Pairs of features of an earlier and a later decision.
        self._pair_std = np.where(decision[:, np.newaxis] < decision, pair_std, 0).astype(np.float32)

    def __len__(self) -> int:
        return int(self.rewards.shape[1])

    def observe(self, points: np.ndarray, rewards: np.ndarray) -> None:
        """Adds trials.

        Args:
            points: architectures as one-hot vectors, float [runs, n, features], zero where inactive.
            rewards: float [runs, n]; -inf for failures.
        """
        self._add(points)
        self._points = np.concatenate([self._points, points.astype(np.float32)], axis=1)
        self.rewards = np.concatenate([self.rewards, rewards], axis=1)
        if len(self) > 1.25 * self._memory:
            self._forget()

    def state(self) -> State:
        """The trials in their batches, from which the factor, quadratic in their number, is computed again.

        Other batches would round differently. States of 0.1.0 hold a factor and no batches; it stays a part of theirs.
        """
        return {
            "points": self._points.astype(np.uint8),  # one-hot
            "rewards": self.rewards,
            "factor": self._begun,
            "batches": self._batches,
        }

    def restore(self, state: State) -> None:
        """Restores the trials of a model of the same shape.

        Raises:
            ValueError: the batches do not add up to the trials.
        """
        points = state["points"].astype(np.float32)
        self._begun = self._factor = state["factor"]
        self._batches = []
        for size in state.get("batches", ()):
            count = self._factor.shape[1]
            self._points = points[:, :count]
            self._add(points[:, count : count + size])
        self._points, self.rewards = points, state["rewards"]
        if not self._factor.shape[1] == len(self) == points.shape[1]:
            raise ValueError(f"{points.shape[1]} trials, {len(self)} rewards, batches of {self._factor.shape[1]}")

    def sample(self, rngs: Sequence[np.random.Generator], spreads: Sequence[float]) -> RewardSamples:
        """Draws functions by Matheron's rule: a draw from the prior, corrected by its errors at the trials.

        Args:
            rngs: one for each run.
            spreads: scale of each function's distance from the posterior mean.
        """
        scale = np.array(spreads, np.float32)[:, np.newaxis]
        count, size = len(spreads), self._features
        single_std = math.sqrt(SINGLE / self._decisions)
        draw = [rng.standard_normal((count, size + 1, size), np.float32) for rng in rngs]
        normals = np.stack(draw) * scale[:, :, np.newaxis]
        single, pairs = normals[:, :, 0] * np.float32(single_std), normals[:, :, 1:] * self._pair_std
        noise = np.stack([rng.standard_normal((count, len(self))) for rng in rngs]) * math.sqrt(self._noise) * scale
        prior = _quadratic(self._points, single, pairs)
        missed = normal_scores(self.rewards)[:, np.newaxis] - prior - noise
        weights = _transposed(self._solve(self._solve(_transposed(missed)), adjoint=True))
        return RewardSamples(single, pairs, self._points, weights.astype(np.float32))

    def _kernel(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.asarray(kernel((left @ _transposed(right)).astype(np.float64), self._decisions))

    def _add(self, points: np.ndarray) -> None:
        """Extends the factor by a batch."""
        self._factor = self._extended(self._kernel(self._points, points), self._kernel(points, points))
        self._batches.append(points.shape[1])

    def _extended(self, across: np.ndarray, within: np.ndarray) -> np.ndarray:
        """The Cholesky factor with further rows, from their covariances with the old ones and with each other."""
        lower = _transposed(self._solve(across))
        rest = within + self._noise * np.eye(within.shape[1]) - lower @ _transposed(lower)
        corner = np.linalg.cholesky(rest)
        top = np.concatenate([self._factor, np.zeros_like(across)], axis=2)
        return np.concatenate([top, np.concatenate([lower, corner], axis=2)], axis=1)

    def _solve(self, right: np.ndarray, adjoint: bool = False) -> np.ndarray:
        return tf.linalg.triangular_solve(self._factor, right, adjoint=adjoint).numpy() if self._factor.size else right

    def _forget(self) -> None:
        half = self._memory // 2
        order = np.argsort(self.rewards[:, :-half], axis=1, kind="stable")[:, -half:]
        latest = np.arange(len(self) - half, len(self))
        kept = np.concatenate([np.sort(order, axis=1), np.broadcast_to(latest, [len(order), half])], axis=1)
        points = np.take_along_axis(self._points, kept[:, :, np.newaxis], 1)
        self.rewards = np.take_along_axis(self.rewards, kept, 1)
        self._begun = self._factor = np.zeros([len(points), 0, 0])
        self._batches, self._points = [], points[:, :0]
        self._add(points)
        self._points = points


def kernel(equal: Any, decisions: int) -> Any:
    """Prior covariance of two architectures with `equal` equal active choices; arrays or tensors."""
    pairs = equal * (equal - 1) / max(1, decisions * (decisions - 1))
    return SINGLE * equal / decisions + PAIRS * pairs


def imagined_rewards(points: tf.Tensor, samples: RewardSamples, decisions: int) -> tf.Tensor:
    """Values of sampled functions at architectures.

    Args:
        points: float [runs, n, features].
        samples: of the posterior.
        decisions: of the space.

    Returns:
        float [runs, samples, n].
    """
    single, pairs, observed, weights = samples
    prior = tf.einsum("rnf,rsf->rsn", points, single)
    prior += tf.reduce_sum(tf.einsum("rnf,rsfg->rsng", points, pairs) * points[:, tf.newaxis], axis=-1)
    covariance = kernel(tf.matmul(observed, points, transpose_b=True), decisions)
    return prior + tf.matmul(weights, covariance)


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Standard normal quantiles of the ranks within each row, float [rows, n]; equal values get equal scores."""
    ordered = np.sort(values, axis=1)
    count = values.shape[1]
    below = np.stack([np.searchsorted(o, v, "left") for o, v in zip(ordered, values, strict=True)])
    upto = np.stack([np.searchsorted(o, v, "right") for o, v in zip(ordered, values, strict=True)])
    return np.asarray(tf.math.ndtri((below + upto) / (2 * count))) if count else values


def _quadratic(points: np.ndarray, single: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The prior's part of `imagined_rewards`."""
    through = points[:, np.newaxis] @ pairs
    return np.asarray(single @ _transposed(points) + (through * points[:, np.newaxis]).sum(axis=-1))


def _transposed(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)
