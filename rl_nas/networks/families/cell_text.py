"""Cells as aligned text for a terminal."""

import textwrap

from rl_nas.spaces.cells import CELL_INPUTS, Block, Cell, CellGenotype

INPUT_NAMES = ("h[i]", "h[i-1]")
OUTPUT_NAME = "h[i+1]"

LEGEND = (
    f"{INPUT_NAMES[0]} is the output of the previous cell, {INPUT_NAMES[1]} that of the cell before it,\n"
    f"{OUTPUT_NAME} the output of this cell. A number stands for the result of its line."
)

_COLUMNS = 80
_INDENT = "  "


def state_name(state: int) -> str:
    """The printed name of a hidden state: the cell's inputs by name, a block's output by its number."""
    return INPUT_NAMES[state] if state < CELL_INPUTS else str(state)


def cell_lines(cell: Cell, title: str) -> list[str]:
    """Draws a cell as a heading, one line a block, and the cell's output.

    Args:
        cell: to be described.
        title: the heading, such as `normal cell`.

    Returns:
        Lines without line breaks, at most 80 columns wide. Only the last statement, the cell's
        output, may need several of them.
    """
    rows = [_block_parts(block) for block in cell.blocks]
    combine_width, first_width, second_width = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [title]
    for state, (combine, first, second) in enumerate(rows, start=CELL_INPUTS):
        call = f"{combine:<{combine_width}} {first:<{first_width}} {second:<{second_width}} )"
        lines.append(_left_side(state_name(state)) + call)
    return lines + _output_lines(cell.concat)


def cells_text(genotype: CellGenotype) -> str:
    """Draws the cells, and a legend of their names; no line break at the end."""
    cells = ["\n".join(cell_lines(cell, f"{kind} cell")) for kind, cell in genotype.cells().items()]
    return "\n\n".join([*cells, LEGEND])


def _block_parts(block: Block) -> tuple[str, str, str]:
    first, second = (f"{op}({state_name(state)})" for op, state in zip(block.ops, block.inputs, strict=True))
    return f"{block.combine}(", f"{first},", second


def _left_side(name: str) -> str:
    return f"{_INDENT}{name:>{len(OUTPUT_NAME)}} = "


def _output_lines(concat: tuple[int, ...]) -> list[str]:
    start = _left_side(OUTPUT_NAME) + "concat( "
    return textwrap.wrap(
        ", ".join(map(state_name, concat)) + " )",
        width=_COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,  # or h[i-1] could be split
    )
