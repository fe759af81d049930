"""Genotypes of dense prediction cells: branches of one operation each (Chen et al. 2018, section 3.3)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.graph import OperationGraph, pruned
from rl_nas.spaces.json_fields import expect, item, items

CONV, ATROUS, POOLING = "conv_1x1", "atrous_3x3", "pyramid_pooling"

FEATURES = -1
"""Input of a branch that reads the backbone's features."""

MAX_BRANCHES, MAX_RATE, MAX_GRID = 100, 1000, 64
"""Most branches, rates and grid cells on a side; a grid is computed as such, whatever the size of the features."""

_EXTENTS = {ATROUS: "rates", POOLING: "grid"}
"""Kind of an operation -> the name of its rows and columns in JSON."""

_LARGEST = {CONV: 1, ATROUS: MAX_RATE, POOLING: MAX_GRID}


@dataclass(frozen=True)
class DenseOperation:
    """The operation of a branch.

    Attributes:
        kind: `conv_1x1`, a 1x1 convolution; `atrous_3x3`, a 3x3 atrous separable convolution; `pyramid_pooling`,
            average pooling over a grid, a 1x1 convolution and resizing.
        rows: rate along the height, or rows of the grid; 1 for a 1x1 convolution.
        columns: the same along the width.
    """

    kind: str
    rows: int = 1
    columns: int = 1

    def __post_init__(self) -> None:
        if self.kind not in (CONV, *_EXTENTS):
            raise UsageError(f"unknown operation {self.kind!r}; known: {', '.join((CONV, *_EXTENTS))}")
        most = _LARGEST[self.kind]
        for extent in (self.rows, self.columns):
            if not 1 <= extent <= most:
                what = "grid of {} is" if self.kind == POOLING else "rates of {} are"
                raise UsageError(f"{what.format(self.kind)} {self.rows}x{self.columns}; expected 1 to {most}")

    def __str__(self) -> str:
        """`conv_1x1`, `atrous_6x21` or `pool_4x2`."""
        prefix = {ATROUS: "atrous", POOLING: "pool"}.get(self.kind)
        return f"{prefix}_{self.rows}x{self.columns}" if prefix else self.kind


@dataclass(frozen=True)
class Branch:
    """One operation on the backbone's features (-1) or on the output of an earlier branch (its number, from 0)."""

    input: int
    op: DenseOperation


@dataclass(frozen=True)
class DensePredictionCell:
    """Branches, each after those it reads; the cell's output is the concatenation of all of them."""

    KIND: ClassVar[str] = "dpc"

    branches: tuple[Branch, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.branches) <= MAX_BRANCHES:
            raise UsageError(f"dense prediction cell of {len(self.branches)} branches; expected 1 to {MAX_BRANCHES}")
        for number, branch in enumerate(self.branches):
            if not FEATURES <= branch.input < number:
                raise UsageError(
                    f"branch {number} reads {branch.input}; expected {FEATURES} (the features) or an earlier branch"
                )

    def canonical(self) -> Self:
        """The same cell with its branches in a canonical order.

        Each branch reads one other, so that the cell is a forest whose roots read the features; two cells are the
        same network up to the order of channels if, and only if, their forests are isomorphic. The order is depth
        first, and by the spelling of the subtrees among branches of the same input.
        """
        readers: dict[int, list[int]] = {number: [] for number in range(FEATURES, len(self.branches))}
        for number, branch in enumerate(self.branches):
            readers[branch.input].append(number)
        spelled: dict[int, str] = {}
        for number in reversed(readers):  # those that read a branch come behind it
            readers[number].sort(key=spelled.__getitem__)
            op = "" if number == FEATURES else str(self.branches[number].op)
            spelled[number] = f"{op}({','.join(spelled[reader] for reader in readers[number])})"
        ordered, left = {FEATURES: FEATURES}, readers[FEATURES][::-1]
        while left:
            number = left.pop()
            ordered[number] = len(ordered) - 1
            left += readers[number][::-1]
        branches = (self.branches[number] for number in ordered if number != FEATURES)
        return type(self)(tuple(Branch(ordered[branch.input], branch.op) for branch in branches))

    def canonical_key(self) -> str:
        """A hash of the canonical form."""
        return hashlib.sha256(json.dumps(self.canonical().document()).encode()).hexdigest()[:32]

    def graph(self) -> OperationGraph:
        """See `Graphed`."""
        labels = ["features", *(str(branch.op) for branch in self.branches), "output"]
        reads = [(), *((branch.input + 1,) for branch in self.branches), range(1, len(self.branches) + 1)]
        return pruned(labels, reads, inputs=1)

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        return {"branches": [{"input": branch.input, **_operation_document(branch.op)} for branch in self.branches]}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError` with the place of what is malformed."""
        branches = items(item(document, "branches", "genotype"), dict, "branches")
        return cls(tuple(_read_branch(branch, f"branches[{number}]") for number, branch in enumerate(branches)))


def _operation_document(op: DenseOperation) -> dict[str, Any]:
    extent = {_EXTENTS[op.kind]: [op.rows, op.columns]} if op.kind in _EXTENTS else {}
    return {"op": op.kind, **extent}


def _read_branch(branch: Mapping[str, object], where: str) -> Branch:
    kind = expect(item(branch, "op", where), str, f"{where}.op")
    extent: Iterable[int] = ()
    if kind in _EXTENTS:
        name = _EXTENTS[kind]
        extent = items(item(branch, name, where), int, f"{where}.{name}", count=2)
    return Branch(expect(item(branch, "input", where), int, f"{where}.input"), read_operation(where, kind, *extent))


def read_operation(where: str, kind: str, *extent: int) -> DenseOperation:
    """An operation of a document; raises `UsageError` with its place for an impossible one."""
    try:
        return DenseOperation(kind, *extent)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
