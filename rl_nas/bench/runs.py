"""Many runs of a strategy on a table."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rl_nas.bench.table import Table
from rl_nas.strategies import Strategy
from rl_nas.trial import Failure, Measurement, Trial, TrialState


class Runs(Protocol):
    """Independent runs of a strategy, side by side."""

    def propose(self, n: int) -> np.ndarray:
        """The next `n` architectures of every run, int [runs, n, decisions]."""

    def observe(self, tokens: np.ndarray, rewards: np.ndarray, given: int = 0) -> None:
        """Learns from rewards of the first proposals that it knows none of.

        Args:
            tokens: the proposals, int [runs, n, decisions].
            rewards: float [runs, n]; NaN for invalid ones.
            given: how many of the first of them are a warm start's, which it did not propose.
        """


class SequentialRuns:
    """Runs of a strategy that handles one search at a time."""

    def __init__(self, strategies: Sequence[Strategy]) -> None:
        self._strategies = strategies
        self._done = 0

    def propose(self, n: int) -> np.ndarray:
        """See `Runs`."""
        return np.array([strategy.propose(n) for strategy in self._strategies])

    def observe(self, tokens: np.ndarray, rewards: np.ndarray, given: int = 0) -> None:
        """See `Runs`."""
        for strategy, architectures, values in zip(self._strategies, tokens.tolist(), rewards.tolist(), strict=True):
            pairs = zip(architectures, values, strict=True)
            strategy.observe([_trial(i, tuple(a), value) for i, (a, value) in enumerate(pairs, self._done)])
        self._done += tokens.shape[1]


@dataclass(frozen=True)
class Curves:
    """Results of many runs.

    Attributes:
        best: the best reward after each evaluation, float [runs, evaluations]; NaN before the first valid one.
        report: the report column of the architecture with that reward, same shape.
        repeated: fraction of each run's evaluations whose architecture it had proposed before, float [runs].
    """

    best: np.ndarray
    report: np.ndarray
    repeated: np.ndarray

    @property
    def repeats(self) -> float:
        """Mean of the fractions of repeated architectures."""
        return float(self.repeated.mean())


def run(
    runs: Runs,
    table: Table,
    reward: np.ndarray,
    report: np.ndarray,
    *,
    evaluations: int,
    batch: int,
    batches_in_flight: int = 1,
    progress: Callable[[int], None] = lambda evaluations: None,
) -> Curves:
    """Lets runs search a table. Repeated and invalid proposals count as evaluations.

    An architecture whose reward is no finite number is one that failed, as an invalid one.

    Args:
        runs: the strategy.
        table: of the architectures.
        reward: column that is maximized, float [rows].
        report: column that is reported, float [rows].
        evaluations: of each run.
        batch: proposals between two updates.
        batches_in_flight: batches that are proposed before the first of them is observed, as in `rl_nas.search`.
        progress: called with the number of evaluations of a run after each batch.
    """
    rows, flying = list[np.ndarray](), deque[tuple[np.ndarray, np.ndarray]]()
    for first in range(0, evaluations, batch):
        tokens = runs.propose(batch)
        rows.append(usable_rows(table, tokens, reward))
        flying.append((tokens, rows[-1]))
        if len(flying) == batches_in_flight:
            tokens, found = flying.popleft()
            runs.observe(tokens, np.where(found >= 0, reward[found], np.nan))
        progress(min(first + batch, evaluations))
    return _curves(np.concatenate(rows, axis=1)[:, :evaluations], reward, report)


def usable_rows(table: Table, tokens: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Rows of architectures, int [..., decisions], by a column; -1 where there is none with a finite reward."""
    rows = table.lookup(tokens)
    return np.where((rows >= 0) & np.isfinite(reward[rows]), rows, -1)


def join(parts: Sequence[Curves]) -> Curves:
    """Concatenates the curves of several groups of runs."""
    return Curves(
        np.concatenate([part.best for part in parts]),
        np.concatenate([part.report for part in parts]),
        np.concatenate([part.repeated for part in parts]),
    )


def first(curves: Curves, count: int) -> Curves:
    """The curves of the first runs."""
    return Curves(curves.best[:count], curves.report[:count], curves.repeated[:count])


def _curves(rows: np.ndarray, reward: np.ndarray, report: np.ndarray) -> Curves:
    rewards = np.where(rows >= 0, reward[rows], -np.inf)
    best = np.maximum.accumulate(rewards, axis=1)
    improved = np.concatenate([np.ones_like(rows[:, :1], bool), best[:, 1:] > best[:, :-1]], axis=1)
    holder = np.maximum.accumulate(np.where(improved, np.arange(rows.shape[1]), 0), axis=1)
    held = np.take_along_axis(rows, holder, axis=1)
    missing = np.isneginf(best)
    repeated = 1 - np.array([len(np.unique(row)) for row in rows]) / rows.shape[1]
    return Curves(np.where(missing, np.nan, best), np.where(missing, np.nan, report[held]), repeated)


def _trial(index: int, architecture: tuple[int, ...], value: float) -> Trial:
    if np.isnan(value):
        return Trial(index, architecture, TrialState.INVALID, failures=(Failure(TrialState.INVALID, "no such row"),))
    return Trial(index, architecture, TrialState.OK, value, Measurement(value))
