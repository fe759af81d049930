"""A warm start on a table: the first proposals of every run are those that columns of scores vote for."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rl_nas.bench.runs import Runs
from rl_nas.bench.table import Table
from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.strategies.warm_start import vote


@dataclass(frozen=True)
class TableWarmStartSettings(Settings):
    """First proposals by columns of scores."""

    title: ClassVar[str] = "Warm start"
    prefix: ClassVar[str] = "warm_start_"

    columns: str | None = setting(
        None,
        "columns of scores of untrained networks, separated by commas; the first proposals of all strategies are those"
        " of random rows with the best mean rank; left out: the strategies' own",
    )
    table: str | None = setting(
        None, "another .npz table of the same architectures, which has these columns; left out: --table"
    )
    children: int = setting(10, "proposals that are chosen so", minimum=1, maximum=1000)
    sample: int = setting(100, "random rows whose scores are compared", minimum=1, maximum=100_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.children > self.sample:
            raise UsageError(
                f"--warm_start_children={self.children} of --warm_start_sample={self.sample} random rows; give more of"
                " these, or fewer children"
            )


def table_scores(table: Table, other: Table, columns: Sequence[str]) -> np.ndarray:
    """Scores of the rows of a table by columns of another, float [columns, rows].

    Raises:
        UsageError: the other has other decisions, or lacks a column or a row.
    """
    if [d.choices for d in table.space.decisions] != [d.choices for d in other.space.decisions]:
        raise UsageError(f"table {other.name} has other decisions than {table.name}; expected the same architectures")
    rows = other.lookup(table.architectures())
    if (rows < 0).any():
        raise UsageError(f"table {other.name} lacks {(rows < 0).sum():,} rows of {table.name}; expected all of them")
    return np.stack([other.column(name)[rows] for name in columns])


def first_proposals(table: Table, scores: np.ndarray, seed: int, children: int, sample: int) -> np.ndarray:
    """The architectures of the best of some random rows, int [children, decisions], fewer in a smaller table."""
    drawn = np.random.default_rng([seed, 2]).permutation(len(table.values))[:sample]
    return np.asarray(table.architectures()[drawn[vote(scores[:, drawn])[:children]]])


class WarmStartedRuns:
    """Runs whose first proposals are given.

    Args:
        runs: of a strategy.
        first: the first proposals of each, int [runs, children, decisions].
    """

    def __init__(self, runs: Runs, first: np.ndarray) -> None:
        self._runs, self._first, self._given = runs, first, 0
        self._waiting: deque[int] = deque()  # of each batch, how many were given

    def propose(self, n: int) -> np.ndarray:
        """See `Runs`."""
        given = self._first[:, self._given : self._given + n]
        self._given += given.shape[1]
        self._waiting.append(given.shape[1])
        if given.shape[1] == n:
            return given
        return np.concatenate([given, self._runs.propose(n - given.shape[1])], axis=1)

    def observe(self, tokens: np.ndarray, rewards: np.ndarray, given: int = 0) -> None:
        """See `Runs`."""
        self._runs.observe(tokens, rewards, given + self._waiting.popleft())
