"""Cells in the notations of DARTS (Liu et al. 2019) and of ENAS (Pham et al. 2018), as their code writes them.

Both count the output of the cell before the previous one as state 0, and that of the previous cell as state 1.
"""

import ast
import re
from collections.abc import Sequence

from rl_nas.errors import UsageError
from rl_nas.spaces.cells import CELL_INPUTS, MAX_BLOCKS, Block, Cell, CellGenotype
from rl_nas.spaces.enas_micro import ENAS_OPERATIONS

DARTS_OPERATIONS = {
    "skip_connect": "identity",
    "max_pool_3x3": "max_pool_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
    "sep_conv_3x3": "sep_3x3",
    "sep_conv_5x5": "sep_5x5",
    "sep_conv_7x7": "sep_7x7",
    "dil_conv_3x3": "dil_sep_once_3x3",
    "dil_conv_5x5": "dil_sep_once_5x5",
}
"""Name in DARTS -> operation."""
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_FORM = "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=...)"
_LONGEST = 10_000
"""Characters of a notation."""
_ARC = re.compile(r"[\d\s,\[\]()]+")
_MACRO = re.compile(r"\d+\s*/[\d\s/]*\s[\d\s/]*")
_SHOWN = 60
_CALL = re.compile(r"(\w+\.)?Genotype\s*\(")


def from_notation(text: str) -> CellGenotype | None:
    """Reads a DARTS genotype, or an arc of ENAS' micro space: 4 numbers for each block, of both cells.

    Nothing in the text is executed.

    Raises:
        UsageError: it is malformed, or an arc of ENAS' macro space.
    """
    text = text.strip()
    if _CALL.match(text):
        return _darts(text)
    if _MACRO.fullmatch(text):
        raise UsageError(
            f"genotype {text[:_SHOWN]!r} is an arc of ENAS' macro space, which rl_nas has no networks for; expected one"
            " of the micro space: numbers of normal and reduction cell, 4 for each block"
        )
    numbers = re.findall(r"\d+", text) if len(text) <= _LONGEST and _ARC.fullmatch(text) else []
    return _enas([int(number) for number in numbers]) if len(numbers) > 1 else None


def _darts(text: str) -> CellGenotype:
    if len(text) > _LONGEST:
        raise UsageError(f"genotype {text[:_SHOWN]!r}... has {len(text):,} characters; expected at most {_LONGEST:,}")
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"genotype {text[:_SHOWN]!r}... cannot be read; expected {_FORM}") from error
    if not isinstance(call, ast.Call) or len(call.args) > len(_FIELDS):
        raise UsageError(f"genotype {text[:_SHOWN]!r}...; expected {_FORM}")
    values: dict[str | None, ast.expr] = dict(zip(_FIELDS, call.args, strict=False))
    values |= {keyword.arg: keyword.value for keyword in call.keywords}
    if set(values) != set(_FIELDS):
        raise UsageError(f"genotype has {', '.join(map(str, values)) or 'nothing'}; expected {', '.join(_FIELDS)}")
    return CellGenotype(
        normal=_darts_cell(values["normal"], values["normal_concat"], "normal"),
        reduction=_darts_cell(values["reduce"], values["reduce_concat"], "reduce"),
    )


def _darts_cell(edges: ast.expr, concat: ast.expr, where: str) -> Cell:
    pairs = [_edge(edge, f"{where}[{number}]") for number, edge in enumerate(_elements(edges, where))]
    if len(pairs) % 2:
        raise UsageError(f"{where} has {len(pairs)} operations; expected two for each node")
    blocks = [_block(*first, *second) for first, second in zip(pairs[::2], pairs[1::2], strict=True)]
    return _cell(blocks, _numbers(concat, f"{where}_concat"), where)


def _edge(edge: ast.expr, where: str) -> tuple[str, int]:
    match edge:
        case ast.Tuple([ast.Constant(str(name)), ast.Constant(int(state))]) if not isinstance(state, bool):
            if name not in DARTS_OPERATIONS:
                known = ", ".join(DARTS_OPERATIONS)
                raise UsageError(f"{where}: operation {name[:_SHOWN]!r}; expected one of {known}")
            return DARTS_OPERATIONS[name], state
    raise UsageError(f"{where} is {ast.unparse(edge)[:_SHOWN]}; expected a pair such as ('sep_conv_3x3', 0)")


def _elements(value: ast.expr, where: str) -> Sequence[ast.expr]:
    if not isinstance(value, ast.List | ast.Tuple):
        raise UsageError(f"{where} is {ast.unparse(value)[:_SHOWN]}; expected a list")
    return value.elts


def _numbers(value: ast.expr, where: str) -> Sequence[int]:
    match value:
        case ast.Call(ast.Name("range"), [ast.Constant(int(first)), ast.Constant(int(end))], []):
            if not 0 <= end - first <= MAX_BLOCKS:
                raise UsageError(f"{where} is range({first}, {end}); expected at most {MAX_BLOCKS} states")
            return range(first, end)
    found = [one.value if isinstance(one, ast.Constant) else None for one in _elements(value, where)]
    numbers = [one for one in found if isinstance(one, int) and not isinstance(one, bool)]
    if len(numbers) < len(found):
        raise UsageError(f"{where} is {ast.unparse(value)[:_SHOWN]}; expected numbers, or range(2, 6)")
    return numbers


def _enas(numbers: Sequence[int]) -> CellGenotype:
    """Of each block: the first input, its operation, the second input, its operation."""
    if len(numbers) % 8:
        raise UsageError(
            f"an arc of {len(numbers)} numbers; expected those of ENAS' micro space: 4 for each block of the normal"
            " cell, and as many for the reduction cell"
        )
    half = len(numbers) // 2
    return CellGenotype(_enas_cell(numbers[:half], "normal"), _enas_cell(numbers[half:], "reduction"))


def _enas_cell(numbers: Sequence[int], where: str) -> Cell:
    wrong = [one for one in numbers[1::2] if one >= len(ENAS_OPERATIONS)]
    if wrong:
        known = ", ".join(f"{number} {name}" for number, name in enumerate(ENAS_OPERATIONS))
        raise UsageError(f"{where} cell: operation {str(wrong[0])[:_SHOWN]}; expected one of {known}")
    parts = zip(*(numbers[start::4] for start in range(4)), strict=True)
    blocks = [_block(ENAS_OPERATIONS[op1], s1, ENAS_OPERATIONS[op2], s2) for s1, op1, s2, op2 in parts]
    used = set(numbers[::2])
    # As in the released code, a cell's input that no block reads is concatenated, too.
    return _cell(blocks, [state for state in range(CELL_INPUTS + len(blocks)) if state not in used], where)


def _block(op1: str, state1: int, op2: str, state2: int) -> Block:
    return Block((_ours(state1), _ours(state2)), (op1, op2))


def _cell(blocks: Sequence[Block], concat: Sequence[int], where: str) -> Cell:
    try:
        return Cell(tuple(blocks), tuple(sorted(map(_ours, concat))))
    except UsageError as error:
        raise UsageError(f"{where} cell: {error}") from error


def _ours(state: int) -> int:
    """The number of a state here, where the previous cell comes first."""
    return 1 - state if state in (0, 1) else state
