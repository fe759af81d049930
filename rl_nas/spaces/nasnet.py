"""The NASNet search space (Zoph et al. 2018, section 3)."""

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.genotype import CELL_INPUTS, Block, Cell, CellGenotype, unused_states
from rl_nas.spaces.operations import COMBINERS, OPERATIONS

CELLS = ("normal", "reduction")


def nasnet(blocks: int = 5) -> SearchSpace[CellGenotype]:
    """Two cells of `blocks` blocks; five decisions a block: two states, two operations, a combiner.

    All decisions of the normal cell come first, then those of the reduction cell. At the paper's
    B = 5 that is 50 softmax predictions over 2,286,906,949,584,691,200 cells of each kind.
    """
    if blocks < 1:
        raise UsageError(f"{blocks} blocks a cell; expected at least 1")
    return SearchSpace(
        name="nasnet",
        decisions=tuple(d for cell in CELLS for b in range(blocks) for d in _block_decisions(cell, b)),
        decoder=lambda values: CellGenotype(*(_decode_cell(values, cell, blocks) for cell in CELLS)),
        encoder=lambda genotype: {
            name: value
            for kind, cell in genotype.cells().items()
            for name, value in _encode_cell(cell, kind, blocks).items()
        },
    )


def _block_decisions(cell: str, block: int) -> tuple[Decision, ...]:
    states: tuple[Choice, ...] = tuple(range(CELL_INPUTS + block))
    return tuple(
        Decision(f"{cell}/{block}/{part}", choices)
        for part, choices in (
            ("input1", states),
            ("input2", states),
            ("op1", OPERATIONS),
            ("op2", OPERATIONS),
            ("combine", COMBINERS),
        )
    )


def _decode_cell(values: dict[str, Choice], cell: str, blocks: int) -> Cell:
    decoded = []
    for b in range(blocks):
        at = f"{cell}/{b}"
        decoded.append(
            Block(
                inputs=(int(values[f"{at}/input1"]), int(values[f"{at}/input2"])),
                ops=(str(values[f"{at}/op1"]), str(values[f"{at}/op2"])),
                combine=str(values[f"{at}/combine"]),
            )
        )
    return Cell(tuple(decoded), unused_states(tuple(decoded)))


def _encode_cell(cell: Cell, kind: str, blocks: int) -> dict[str, Choice]:
    if len(cell.blocks) != blocks:
        raise UsageError(f"{kind} cell of {len(cell.blocks)} blocks; the space has {blocks}")
    if cell.concat != unused_states(cell.blocks):
        raise UsageError(
            f"{kind} cell concatenates {list(cell.concat)}; cells of this space concatenate what is"
            f" unused, {list(unused_states(cell.blocks))}"
        )
    values: dict[str, Choice] = {}
    for b, block in enumerate(cell.blocks):
        parts = (*block.inputs, *block.ops, block.combine)
        names = (decision.name for decision in _block_decisions(kind, b))
        values.update(zip(names, parts, strict=True))
    return values
