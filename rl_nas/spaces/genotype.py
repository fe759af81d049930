"""The decoded description of a cell network, and its JSON form."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rl_nas.errors import UsageError
from rl_nas.spaces.operations import COMBINERS, OPERATIONS

T = TypeVar("T")

SCHEMA = 1
"""Version of the JSON form; raised with every change that older readers would misread."""

CELL_INPUTS = 2
"""States 0 and 1 of every cell: the previous cell's output h_i, and the one before it, h_{i-1}."""


@dataclass(frozen=True)
class Block:
    """Two operations on two hidden states, and how their results are combined.

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
        if not self.blocks:
            raise UsageError("a cell has no blocks; expected at least one")
        for position, block in enumerate(self.blocks):
            _check_block(block, position)
        states = CELL_INPUTS + len(self.blocks)
        if not self.concat:
            raise UsageError("concat is empty; expected at least one state")
        for state in self.concat:
            if not 0 <= state < states:
                raise UsageError(f"concat names state {state}; expected 0 to {states - 1}")
        if len(set(self.concat)) != len(self.concat):
            raise UsageError(f"concat {list(self.concat)} names a state twice")


@dataclass(frozen=True)
class CellGenotype:
    """A network of normal cells (which keep the image size) and reduction cells (which halve it)."""

    normal: Cell
    reduction: Cell

    def cells(self) -> dict[str, Cell]:
        """Cell kind -> cell, in the order in which they are described and searched."""
        return {"normal": self.normal, "reduction": self.reduction}


def unused_states(blocks: tuple[Block, ...]) -> tuple[int, ...]:
    """States made by the blocks that no block reads: the default concat list (Zoph et al. 2018, section 3)."""
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
        if op not in OPERATIONS:
            raise UsageError(f"block {position}: unknown operation {op!r}; known: {', '.join(OPERATIONS)}")
    if block.combine not in COMBINERS:
        raise UsageError(f"block {position}: combine {block.combine!r}; expected one of {', '.join(COMBINERS)}")


def to_json(genotype: CellGenotype) -> dict[str, Any]:
    """The genotype as plain JSON values."""
    return {
        "schema": SCHEMA,
        "kind": "cells",
        "cells": {
            kind: {
                "blocks": [{"inputs": list(b.inputs), "ops": list(b.ops), "combine": b.combine} for b in cell.blocks],
                "concat": list(cell.concat),
            }
            for kind, cell in genotype.cells().items()
        },
    }


def from_json(document: object) -> CellGenotype:
    """Reads what `to_json` wrote.

    Raises:
        UsageError: the document is malformed, of a later schema, or describes an impossible cell;
            the message says where.
    """
    genotype = _expect(document, dict, "genotype")
    schema = _expect(_item(genotype, "schema", "genotype"), int, "schema")
    if schema > SCHEMA:
        raise UsageError(f"genotype schema {schema} is newer than {SCHEMA}; upgrade rl_nas to read it")
    if schema < 1:
        raise UsageError(f"genotype schema {schema}; expected 1 to {SCHEMA}")
    kind = _item(genotype, "kind", "genotype")
    if kind != "cells":
        raise UsageError(f"genotype kind {kind!r}; expected 'cells'")
    cells = _expect(_item(genotype, "cells", "genotype"), dict, "cells")
    return CellGenotype(*(_read_cell(_item(cells, name, "cells"), name) for name in ("normal", "reduction")))


def load(path: str | os.PathLike[str]) -> CellGenotype:
    """Reads a genotype file.

    Raises:
        UsageError: the file cannot be read, is not JSON, or is no valid genotype.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"genotype file {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"genotype file {path} is not JSON: {error}") from error
    try:
        return from_json(document)
    except UsageError as error:
        raise UsageError(f"genotype file {path}: {error}") from error


def _read_cell(document: object, where: str) -> Cell:
    cell = _expect(document, dict, where)
    blocks = _expect(_item(cell, "blocks", where), list, f"{where}.blocks")
    concat = _expect(_item(cell, "concat", where), list, f"{where}.concat")
    try:
        return Cell(
            tuple(_read_block(block, f"{where}.blocks[{i}]") for i, block in enumerate(blocks)),
            tuple(_expect(state, int, f"{where}.concat[{i}]") for i, state in enumerate(concat)),
        )
    except UsageError as error:
        message = str(error)
        raise UsageError(message if message.startswith(where) else f"{where}: {message}") from error


def _read_block(document: object, where: str) -> Block:
    block = _expect(document, dict, where)
    inputs = _pair(_item(block, "inputs", where), int, f"{where}.inputs")
    ops = _pair(_item(block, "ops", where), str, f"{where}.ops")
    return Block(inputs, ops, _expect(block.get("combine", "add"), str, f"{where}.combine"))


def _pair(document: object, kind: type[T], where: str) -> tuple[T, T]:
    values = _expect(document, list, where)
    if len(values) != 2:
        raise UsageError(f"{where} has {len(values)} entries; expected 2")
    return _expect(values[0], kind, where), _expect(values[1], kind, where)


def _item(document: Mapping[str, object], key: str, where: str) -> object:
    if key not in document:
        raise UsageError(f"{where} has no {key!r}")
    return document[key]


def _expect(value: object, kind: type[T], where: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where} is {json.dumps(value)[:60]}; expected {kind.__name__}")
    return value
