"""What random search would have found with as many children."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from rl_nas.controller.settings import WARM_UP
from rl_nas.trial import Trial

FEWEST = 5
"""Fewest random children to estimate from."""

_BAND = (0.025, 0.975)
_POLICIES = ("reinforce", "ppo")


@dataclass(frozen=True)
class RandomSearch:
    """The best of so many random children.

    Attributes:
        own: whether all children of the search were drawn at random.
        drawn: random children that this is computed from.
        children: numbers of children, int [points].
        expected: best reward of so many, in the mean, float [points].
        low: 2.5% of random searches find less than this, float [points].
        high: 2.5% find more, float [points].
        tail: expected best of all children if rewards were normally distributed; None if all were drawn at random.
    """

    own: bool
    drawn: int
    children: np.ndarray
    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray
    tail: float | None

    @property
    def best(self) -> float:
        """Expected best reward of as many children as the search has had."""
        return float(self.expected[-1])


def random_search(
    flags: Mapping[str, Any], trials: Sequence[Trial], *, most: float = math.inf, points: int = 200
) -> RandomSearch | None:
    """The estimate; None: fewer than `FEWEST` children are known to be random, or all of these failed.

    Where all children are, as those of random search, the best of k is the mean over all subsets of k of them. Of other
    strategies only the first children are, before they had learned: their rewards stand for all that might have
    been drawn, of which none can be better than the best of the few; the `tail` errs in the other direction.

    Args:
        flags: of the search.
        trials: of the search, in the order of their numbers.
        most: the largest reward that there can be.
        points: numbers of children to compute it for, at most.
    """
    known = _random_children(flags, len(trials))
    own, drawn = known >= len(trials), rewards_of(trials[:known])
    if len(drawn) < FEWEST or not np.isfinite(drawn).any():
        return None
    drawn[~np.isfinite(drawn)] = drawn[np.isfinite(drawn)].min()
    total = len(trials)
    children = np.unique(np.geomspace(1, total, min(points, total)).round().astype(int))
    ordered = np.sort(drawn)
    below = np.stack([probability_below(len(ordered), int(count), replaced=not own) for count in children])
    steps = np.diff(below, axis=1, prepend=0.0)
    low, high = (ordered[np.minimum((below < share).sum(axis=1), len(ordered) - 1)] for share in _BAND)
    tail = None if own else min(most, _normal_tail(ordered, total))
    return RandomSearch(own, len(ordered), children, steps @ ordered, low, high, tail)


def rewards_of(trials: Sequence[Trial]) -> np.ndarray:
    """Rewards, float [trials]; NaN where there is none."""
    return np.array([np.nan if trial.reward is None else trial.reward for trial in trials], float)


def probability_below(drawn: int, count: int, *, replaced: bool) -> np.ndarray:
    """The probability that the best of `count` is at most the smallest, second smallest, ... of the drawn ones.

    Args:
        drawn: number of rewards.
        count: of them, without replacement at most as many.
        replaced: whether they are drawn with replacement: (i / m) ** k; otherwise C(i, k) / C(m, k).
    """
    if replaced:
        shares: np.ndarray = (np.arange(1, drawn + 1) / drawn) ** count
        return shares
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, drawn + 1)))])  # of factorials
    places = np.arange(count, drawn + 1)
    ways = logs[places] - logs[places - count]
    return np.concatenate([np.zeros(count - 1), np.exp(ways - ways[-1])])


def _random_children(flags: Mapping[str, Any], children: int) -> int:
    """The number of first children that were drawn before the strategy had learned."""
    strategy, population = flags.get("strategy"), flags.get("evolution_population")
    if flags.get("estimator") == "shared":
        return 0
    if strategy == "random":
        return children
    if strategy in ("aging_evolution", "nsga2"):
        return _count(population)
    if strategy not in (*_POLICIES, "controller"):
        return 0
    batch, in_flight = _count(flags.get("update_every")), _count(flags.get("batches_in_flight", 1))
    learned = math.ceil(WARM_UP / batch) if batch and strategy == "controller" else 1  # batches that it waits for
    return batch * (in_flight - 1 + learned) if in_flight else 0


def _count(value: object) -> int:
    """A recorded number; 0 for what is none."""
    return value if isinstance(value, int) and value > 0 else 0


def _normal_tail(ordered: np.ndarray, count: int) -> float:
    """The expected largest of normal variables with the mean and deviation of a sample (Blom 1958)."""
    share = (count - 0.375) / (count + 0.25)
    return float(ordered.mean() + ordered.std(ddof=1) * NormalDist().inv_cdf(share))
