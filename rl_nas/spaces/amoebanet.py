"""The space and the mutations of AmoebaNet (Real et al. 2019)."""

from collections.abc import Sequence

import numpy as np

from rl_nas.spaces.cell_space import CELLS, cell_space
from rl_nas.spaces.cells import CELL_INPUTS, Block, Cell, CellGenotype, unused_states
from rl_nas.spaces.decisions import Architecture, SearchSpace

AMOEBANET_OPERATIONS: tuple[str, ...] = (
    "identity",
    "sep_3x3",
    "sep_5x5",
    "sep_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_sep_3x3",
    "bottleneck_1x7_7x1",
)
"""The 8 operations; `bottleneck_1x7_7x1` is the released code's form of "1x7 then 7x1"."""

IDENTITY_PROBABILITY = 0.05


def amoebanet(blocks: int = 5, operations: tuple[str, ...] = AMOEBANET_OPERATIONS) -> SearchSpace[CellGenotype]:
    """Two cells of `blocks` pairwise combinations, always added: 5.566e14 cells of each kind at the paper's 5."""
    space = cell_space("amoebanet", blocks, operations)

    def mutator(architecture: Architecture, rng: np.random.Generator) -> Architecture:
        return space.encode(mutated(space.decode(architecture), rng, operations))

    return SearchSpace(space.name, space.decisions, space.decoder, space.encoder, mutator=mutator)


def mutated(
    genotype: CellGenotype, rng: np.random.Generator, operations: Sequence[str] = AMOEBANET_OPERATIONS
) -> CellGenotype:
    """One mutation (Real et al. 2019, Methods): identity (0.05), else hidden state or operation, equally likely.

    Both pick a cell, one of its combinations and one of the two elements, uniformly. The hidden state
    mutation then replaces the element's state by another one of the cell that closes no loop; the operation
    mutation replaces its operation by a uniform draw from all.
    """
    if rng.random() < IDENTITY_PROBABILITY:
        return genotype
    cells = genotype.cells()
    kind = CELLS[rng.integers(len(CELLS))]
    cell, block, element = cells[kind], int(rng.integers(len(cells[kind].blocks))), int(rng.integers(2))
    if rng.random() < 0.5:
        return CellGenotype(**{**cells, kind: _hidden_state_mutation(cell, block, element, rng)})
    return CellGenotype(**{**cells, kind: _operation_mutation(cell, block, element, rng, operations)})


def _operation_mutation(
    cell: Cell, block: int, element: int, rng: np.random.Generator, operations: Sequence[str]
) -> Cell:
    op = operations[int(rng.integers(len(operations)))]
    old = cell.blocks[block]
    ops = (op, old.ops[1]) if element == 0 else (old.ops[0], op)
    blocks = [*cell.blocks]
    blocks[block] = Block(old.inputs, ops, old.combine)
    return Cell(tuple(blocks), unused_states(tuple(blocks)))


def _hidden_state_mutation(cell: Cell, block: int, element: int, rng: np.random.Generator) -> Cell:
    own = CELL_INPUTS + block
    readers = {own}
    for state in range(own, CELL_INPUTS + len(cell.blocks)):
        if readers & set(cell.blocks[state - CELL_INPUTS].inputs):
            readers.add(state)
    old = cell.blocks[block]
    others = [s for s in range(CELL_INPUTS + len(cell.blocks)) if s not in readers and s != old.inputs[element]]
    state = others[rng.integers(len(others))]
    inputs = (state, old.inputs[1]) if element == 0 else (old.inputs[0], state)
    graph = {CELL_INPUTS + number: b for number, b in enumerate(cell.blocks)}
    graph[own] = Block(inputs, old.ops, old.combine)
    return _sorted(graph)


def _sorted(graph: dict[int, Block]) -> Cell:
    """Renumbers blocks so that each reads only earlier ones, as a mutation may have violated that."""
    place = {state: state for state in range(CELL_INPUTS)}
    blocks: list[Block] = []
    while len(blocks) < len(graph):
        state = next(s for s, b in graph.items() if s not in place and all(i in place for i in b.inputs))
        block = graph[state]
        place[state] = CELL_INPUTS + len(blocks)
        blocks.append(Block((place[block.inputs[0]], place[block.inputs[1]]), block.ops, block.combine))
    return Cell(tuple(blocks), unused_states(tuple(blocks)))
