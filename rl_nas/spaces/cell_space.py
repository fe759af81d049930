"""Spaces of two cells made of blocks: NASNet's and its relatives."""

from collections.abc import Sequence

from rl_nas.errors import UsageError
from rl_nas.spaces.cells import CELL_INPUTS, Block, Cell, CellGenotype, unused_states
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace

CELLS = ("normal", "reduction")


def cell_space(
    name: str, blocks: int, operations: Sequence[str], combiners: Sequence[str] = ("add",)
) -> SearchSpace[CellGenotype]:
    """Cells whose output is the concatenation of their unused states (Zoph et al. 2018, section 3).

    Args:
        name: of the space.
        blocks: of each cell (B in the papers).
        operations: those that a block may apply to each of its two states.
        combiners: ways to join the results; a single one is no decision.

    Returns:
        A space with all decisions of the normal cell before those of the reduction cell. Those of a block are
        two states, two operations, the combiner.

    Raises:
        UsageError: there is no block.
    """
    if blocks < 1:
        raise UsageError(f"{blocks} blocks a cell; expected at least 1")

    def decode(values: dict[str, Choice]) -> CellGenotype:
        return CellGenotype(*(_decode_cell(values, cell, blocks, combiners[0]) for cell in CELLS))

    def encode(genotype: CellGenotype) -> dict[str, Choice]:
        values: dict[str, Choice] = {}
        for kind, cell in genotype.cells().items():
            values |= _encode_cell(cell, kind, blocks, combiners)
        return values

    decisions = [
        d for cell in CELLS for b in range(blocks) for d in _block_decisions(f"{cell}/{b}", b, operations, combiners)
    ]
    return SearchSpace(name, tuple(decisions), decode, encode)


def _block_decisions(at: str, block: int, operations: Sequence[str], combiners: Sequence[str]) -> list[Decision]:
    states = tuple(range(CELL_INPUTS + block))
    last = "combine" if len(combiners) > 1 else "op2"
    cell = at.rpartition("/")[0]
    made = (None,) * CELL_INPUTS + tuple(f"{cell}/{earlier}/{last}" for earlier in range(block))
    decisions = [Decision(f"{at}/input{i}", states, points_to=made) for i in (1, 2)]
    decisions += [Decision(f"{at}/op1", tuple(operations)), Decision(f"{at}/op2", tuple(operations))]
    if len(combiners) > 1:
        decisions.append(Decision(f"{at}/combine", tuple(combiners)))
    return decisions


def _decode_cell(values: dict[str, Choice], cell: str, blocks: int, combine: str) -> Cell:
    decoded = []
    for b in range(blocks):
        at = f"{cell}/{b}"
        decoded.append(
            Block(
                inputs=(int(values[f"{at}/input1"]), int(values[f"{at}/input2"])),
                ops=(str(values[f"{at}/op1"]), str(values[f"{at}/op2"])),
                combine=str(values.get(f"{at}/combine", combine)),
            )
        )
    return Cell(tuple(decoded), unused_states(tuple(decoded)))


def _encode_cell(cell: Cell, kind: str, blocks: int, combiners: Sequence[str]) -> dict[str, Choice]:
    if len(cell.blocks) != blocks:
        raise UsageError(f"{kind} cell of {len(cell.blocks)} blocks; the space has {blocks}")
    if cell.concat != unused_states(cell.blocks):
        raise UsageError(
            f"{kind} cell concatenates {list(cell.concat)}; cells of this space concatenate unused"
            f" states, {list(unused_states(cell.blocks))}"
        )
    values: dict[str, Choice] = {}
    for b, block in enumerate(cell.blocks):
        if block.combine not in combiners:
            raise UsageError(f"{kind}/{b}/combine is {block.combine!r}; expected {' or '.join(combiners)}")
        parts = ("input1", "input2", "op1", "op2", "combine")
        choices: tuple[Choice, ...] = (*block.inputs, *block.ops, block.combine)
        values |= {f"{kind}/{b}/{part}": choice for part, choice in zip(parts, choices, strict=True)}
    return values
