"""Tabular benchmarks: architectures with measurements to look up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.errors import UsageError, printable
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.graph import OperationGraph, edge_graph
from rl_nas.spaces.nasbench201 import EDGES, NASBENCH201_OPERATIONS

_MOST_ARCHITECTURES = 2**28
"""Of a table, with a row or without: the number of the row of each is kept, in 2 GiB."""
ZEROS = ("none", "zeroize")
"""Operations of a table that cut their edge."""
_MOST_NAMES = 100_000
"""Columns of a table, and choices of all its decisions."""


@dataclass(frozen=True)
class Row:
    """The genotype of a table: its choices and its row."""

    choices: tuple[Choice, ...]
    number: int | None

    def canonical_key(self) -> str:
        """The choices: a table does not tell which of its rows are the same network."""
        return "|".join(map(str, self.choices))


@dataclass(frozen=True)
class GraphRow(Row):
    """The genotype of a table of cells that have an operation on each of their edges."""

    edges: tuple[tuple[int, int], ...]

    def graph(self) -> OperationGraph:
        """See `Graphed`."""
        return edge_graph(self.edges, tuple(map(str, self.choices)), ZEROS)


@dataclass(frozen=True)
class Table:
    """Measurements of architectures.

    Attributes:
        name: of the benchmark; it and those of the columns can be printed anywhere.
        columns: names of the measurements.
        values: float [rows, columns].
        space: one decision for each column of `ops`; architectures without a row are invalid.
        rows: row of each architecture by its mixed-radix number, -1 where there is none, int [architectures].
        edges: source and target node of each decision's edge, where architectures are cells of such.
    """

    name: str
    columns: tuple[str, ...]
    values: np.ndarray
    space: SearchSpace[Row]
    rows: np.ndarray
    edges: tuple[tuple[int, int], ...] = ()

    def column(self, name: str) -> np.ndarray:
        """A column, float [rows]; raises `UsageError` if there is none of that name."""
        if name not in self.columns:
            raise UsageError(f"table {self.name} has no column {name!r}; it has {', '.join(self.columns)}")
        return np.asarray(self.values[:, self.columns.index(name)], np.float64)

    def lookup(self, architectures: np.ndarray) -> np.ndarray:
        """Rows of architectures, int [..., decisions]; -1 where there is none."""
        return np.asarray(self.rows[architectures @ self._radix()])

    def architectures(self) -> np.ndarray:
        """The architecture of each row, int [rows, decisions]."""
        numbers = np.empty(len(self.values), np.int64)
        numbers[self.rows[self.rows >= 0]] = np.flatnonzero(self.rows >= 0)
        sizes = [len(decision.choices) for decision in self.space.decisions]
        return np.asarray(numbers[:, np.newaxis] // self._radix() % sizes)

    def _radix(self) -> np.ndarray:
        return _radix([len(decision.choices) for decision in self.space.decisions])


def make_table(
    name: str,
    ops: np.ndarray,
    op_names: Sequence[Sequence[str]],
    columns: Sequence[str],
    values: np.ndarray,
    edges: Sequence[tuple[int, int]] = (),
) -> Table:
    """Makes a table from arrays.

    Args:
        name: of the benchmark.
        ops: int [rows, decisions].
        op_names: the choices of each decision.
        columns: names of the columns.
        values: float [rows, columns].
        edges: source and target node of each decision's edge, where architectures are cells with an operation on each
            edge; left out, those of NAS-Bench-201 if the decisions are of its operations, and otherwise none.

    Raises:
        UsageError: shapes contradict each other, names or architectures are too many, or one of these has two rows.
    """
    sizes = [len(names) for names in op_names]
    if ops.ndim != 2 or ops.shape[1] != len(sizes) or values.shape != (len(ops), len(columns)) or not len(ops):
        raise UsageError(
            f"table {name}: ops {ops.shape}, {len(sizes)} lists of op_names, {len(columns)} columns, values"
            f" {values.shape}; expected ops [rows, decisions], values [rows, columns], and at least one row"
        )
    if max(len(columns), sum(sizes)) > _MOST_NAMES or math.prod(sizes) > _MOST_ARCHITECTURES:
        raise UsageError(
            f"table {name}: {len(columns)} columns, {len(sizes)} decisions of {sum(sizes)} choices in all; expected at"
            f" most {_MOST_NAMES:,} columns and choices, and {_MOST_ARCHITECTURES:,} architectures"
        )
    if not ((ops >= 0) & (ops < sizes)).all():
        raise UsageError(f"table {name}: ops has choices outside op_names")
    numbers = ops.astype(np.int64) @ _radix(sizes)
    rows = np.full(int(np.prod(sizes)), -1)
    rows[numbers] = np.arange(len(ops))
    if (rows >= 0).sum() != len(ops):
        raise UsageError(f"table {name}: an architecture has two rows; expected one for each")
    decisions = tuple(Decision(f"decision_{i}", tuple(map(str, names))) for i, names in enumerate(op_names))
    position = [{choice: i for i, choice in enumerate(decision.choices)} for decision in decisions]
    radix = _radix(sizes)
    pairs = _edges_of(name, edges, op_names)

    def decode(values: dict[str, Choice]) -> Row:
        choices = tuple(values.values())
        number = sum(int(radix[i]) * position[i][choice] for i, choice in enumerate(choices))
        row = int(rows[number]) if rows[number] >= 0 else None
        return GraphRow(choices, row, pairs) if pairs else Row(choices, row)

    def encode(row: Row) -> dict[str, Choice]:
        return {decision.name: choice for decision, choice in zip(decisions, row.choices, strict=True)}

    space = SearchSpace(name, decisions, decode, encode, is_valid=lambda row: row.number is not None)
    return Table(printable(name), tuple(printable(str(column)) for column in columns), values, space, rows, pairs)


def _edges_of(
    name: str, edges: Sequence[tuple[int, int]], op_names: Sequence[Sequence[str]]
) -> tuple[tuple[int, int], ...]:
    """The edges of the decisions, checked; none if they are not edges of a cell."""
    if not len(edges):
        known = len(op_names) == len(EDGES) and all(set(names) <= set(NASBENCH201_OPERATIONS) for names in op_names)
        return EDGES if known else ()
    pairs = tuple((int(source), int(target)) for source, target in edges)
    if len(pairs) != len(op_names) or not all(0 <= source < target < _MOST_NAMES for source, target in pairs):
        raise UsageError(
            f"table {name}: edges {printable(str(pairs))[:60]}; expected a source and a higher target for each of"
            f" {len(op_names)} decisions"
        )
    return pairs


def _radix(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[1], np.cumprod(sizes[:-1])]).astype(np.int64)
