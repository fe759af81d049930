"""Genotypes of cells: blocks that combine two hidden states (Zoph et al. 2018, section 3)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.canonical import Link, canonical_order
from rl_nas.spaces.graph import OperationGraph, joined, pruned
from rl_nas.spaces.json_fields import expect, item, items
from rl_nas.spaces.operations import COMBINERS, OPERATIONS, is_known

CELL_INPUTS = 2
"""States 0 and 1 of every cell: the previous cell's output h_i, and the one before it, h_{i-1}."""

MAX_BLOCKS = 100


@dataclass(frozen=True)
class Block:
    """Two operations on two hidden states, and the combiner of their results.

    Attributes:
        inputs: two state indices; 0 is h_i (output of the previous cell), 1 is h_{i-1},
            2 + b the output of block b of the same cell.
        ops: the operation applied to each input.
        combine: `add`, or `concat` along the filters.
    """

    inputs: tuple[int, int]
    ops: tuple[str, str]
    combine: str = "add"


@dataclass(frozen=True)
class Cell:
    """Blocks in order, and the states whose concatenation along the filters is the cell's output.

    The concat list is explicit: published cells do not all follow the rule "concatenate what is
    unused", which is only the default for sampled cells (see `unused_states`).
    """

    blocks: tuple[Block, ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= MAX_BLOCKS:
            raise UsageError(f"a cell has {len(self.blocks) or 'no'} blocks; expected 1 to {MAX_BLOCKS}")
        for position, block in enumerate(self.blocks):
            _check_block(block, position)
        states = CELL_INPUTS + len(self.blocks)
        if not self.concat:
            raise UsageError("concat is empty; expected at least one state")
        for state in self.concat:
            if not 0 <= state < states:
                raise UsageError(f"concat names state {state}; expected 0 to {states - 1}")
        if len(set(self.concat)) != len(self.concat):
            raise UsageError(f"concat {str(list(self.concat))[:60]} names a state twice")

    def combine_of(self, state: int) -> str:
        """The combiner of a state; `add` for the inputs, which are as wide as a sum."""
        return "add" if state < CELL_INPUTS else self.blocks[state - CELL_INPUTS].combine

    def canonical(self) -> "Cell":
        """The same cell without dead blocks, in a canonical order.

        Two cells with equal canonical forms are the same network up to the order of channels.
        """
        live = set(self.concat)
        for state in reversed(range(CELL_INPUTS, CELL_INPUTS + len(self.blocks))):
            if state in live:
                live |= set(self.blocks[state - CELL_INPUTS].inputs)
        states = [0, 1, *(state for state in sorted(live) if state >= CELL_INPUTS)]
        number = {state: index for index, state in enumerate(states)}
        blocks = [self.blocks[state - CELL_INPUTS] for state in states[CELL_INPUTS:]]
        order = canonical_order(
            [f"h{state}" for state in range(CELL_INPUTS)]
            + [
                f"{block.combine} {state in self.concat}"
                for state, block in zip(states[CELL_INPUTS:], blocks, strict=True)
            ],
            [
                Link(number[source], target, op)
                for target, block in enumerate(blocks, start=CELL_INPUTS)
                for source, op in zip(block.inputs, block.ops, strict=True)
            ],
        )
        place = {states[index]: rank for rank, index in enumerate(order)}
        return Cell(
            tuple(_relabeled(blocks[index - CELL_INPUTS], place) for index in order[CELL_INPUTS:]),
            tuple(sorted(place[state] for state in self.concat)),
        )

    def graph(self, name: str) -> OperationGraph:
        """Its operations, each reading those of the block that it reads; their labels begin with `name`."""
        labels = [f"{name} h{state}" for state in range(CELL_INPUTS)]
        reads: list[tuple[int, ...]] = [()] * CELL_INPUTS
        made: list[tuple[int, ...]] = [(state,) for state in range(CELL_INPUTS)]
        for block in self.blocks:
            first = len(labels)
            labels += [f"{name} {op} {block.combine}" for op in block.ops]
            reads += [made[state] for state in block.inputs]
            made.append((first, first + 1))
        output = tuple(node for state in self.concat for node in made[state])
        return pruned([*labels, f"{name} output"], [*reads, output], CELL_INPUTS)


@dataclass(frozen=True)
class CellGenotype:
    """A network of normal cells (which keep the image size) and reduction cells (which halve it).

    Without a reduction cell (PNASNet: Liu et al. 2018) the normal cell takes strides where the image is halved.
    """

    KIND: ClassVar[str] = "cells"

    normal: Cell
    reduction: Cell | None

    def cells(self) -> dict[str, Cell]:
        """Cell kind -> cell, in the order in which they are described and searched."""
        return {"normal": self.normal} | ({} if self.reduction is None else {"reduction": self.reduction})

    def canonical(self) -> Self:
        """Both cells in canonical form."""
        return type(self)(self.normal.canonical(), self.reduction.canonical() if self.reduction else None)

    def canonical_key(self) -> str:
        """A hash of the canonical form."""
        return hashlib.sha256(json.dumps(self.canonical().document()).encode()).hexdigest()[:32]

    def graph(self) -> OperationGraph:
        """See `Graphed`; cells are side by side."""
        return joined(cell.graph(name) for name, cell in self.cells().items())

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        reduction = None if self.reduction is None else _cell_document(self.reduction)
        return {"cells": {"normal": _cell_document(self.normal), "reduction": reduction}}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError` with the place of what is malformed."""
        cells = expect(item(document, "cells", "genotype"), dict, "cells")
        reduction = item(cells, "reduction", "cells")
        return cls(
            _read_cell(item(cells, "normal", "cells"), "normal"),
            None if reduction is None else _read_cell(reduction, "reduction"),
        )


def unused_states(blocks: tuple[Block, ...]) -> tuple[int, ...]:
    """Outputs of blocks that no block reads: the default concat list (Zoph et al. 2018, section 3)."""
    used = {state for block in blocks for state in block.inputs}
    return tuple(s for s in range(CELL_INPUTS, CELL_INPUTS + len(blocks)) if s not in used)


def _check_block(block: Block, position: int) -> None:
    for state in block.inputs:
        if not 0 <= state < CELL_INPUTS + position:
            raise UsageError(
                f"block {position} reads state {state}; expected 0 to {CELL_INPUTS + position - 1}"
                " (inputs and earlier blocks)"
            )
    for op in block.ops:
        if not is_known(op) and ":" in op:
            raise UsageError(
                f"block {position}: operation {op!r} is its author's own code; name it in --operations if you trust it"
            )
        if not is_known(op):
            raise UsageError(f"block {position}: unknown operation {op!r}; known: {', '.join(OPERATIONS)}")
    if block.combine not in COMBINERS:
        raise UsageError(f"block {position}: combine {block.combine!r}; expected one of {', '.join(COMBINERS)}")


def _relabeled(block: Block, place: Mapping[int, int]) -> Block:
    (op1, input1), (op2, input2) = sorted((op, place[s]) for op, s in zip(block.ops, block.inputs, strict=True))
    return Block((input1, input2), (op1, op2), block.combine)


def _cell_document(cell: Cell) -> dict[str, Any]:
    return {
        "blocks": [{"inputs": list(b.inputs), "ops": list(b.ops), "combine": b.combine} for b in cell.blocks],
        "concat": list(cell.concat),
    }


def _read_cell(document: object, where: str) -> Cell:
    cell = expect(document, dict, where)
    blocks = items(item(cell, "blocks", where), dict, f"{where}.blocks")
    concat = items(item(cell, "concat", where), int, f"{where}.concat")
    read = tuple(_read_block(block, f"{where}.blocks[{i}]") for i, block in enumerate(blocks))
    try:
        return Cell(read, concat)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _read_block(block: Mapping[str, object], where: str) -> Block:
    input1, input2 = items(item(block, "inputs", where), int, f"{where}.inputs", count=2)
    op1, op2 = items(item(block, "ops", where), str, f"{where}.ops", count=2)
    return Block((input1, input2), (op1, op2), expect(block.get("combine", "add"), str, f"{where}.combine"))
