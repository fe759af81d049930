"""Necks of merging cells in the notation of their authors' released code (Ghiasi et al. 2019)."""

from rl_nas.errors import UsageError
from rl_nas.spaces.nas_fpn import ATTENTION, COARSEST, FINEST, SUM, Merge, MergingNeck

_OPERATIONS = (SUM, ATTENTION)
_NUMBERS = 4


def from_released(document: object) -> MergingNeck | None:
    """Reads a list of four numbers for each merging cell: level, counted from the coarsest, 0; operation; two inputs.

    Operations are 0, a sum, and 1, attention. Levels are 3 to 7.

    Args:
        document: JSON values.

    Returns:
        The neck; None for what is no list of as many whole numbers as a neck has at least.

    Raises:
        UsageError: there is no such neck.
    """
    least = _NUMBERS * (COARSEST - FINEST + 1)
    if not isinstance(document, list) or len(document) < least or not all(type(number) is int for number in document):
        return None
    if len(document) % _NUMBERS:
        raise UsageError(f"neck of {len(document)} numbers; expected {_NUMBERS} for each merging cell")
    merges = []
    for place in range(0, len(document), _NUMBERS):
        below, op, first, second = document[place : place + _NUMBERS]
        if op not in range(len(_OPERATIONS)):
            raise UsageError(f"merging cell {place // _NUMBERS}: operation {op}; expected 0, {SUM}, or 1, {ATTENTION}")
        merges.append(Merge((first, second), COARSEST - below, _OPERATIONS[op]))
    return MergingNeck(tuple(merges))


def to_released(neck: MergingNeck) -> list[int]:
    """The neck as the released code reads it, whose levels are 3 to 7.

    Raises:
        UsageError: it has others.
    """
    if (neck.finest, neck.coarsest) != (FINEST, COARSEST):
        raise UsageError(
            f"a neck of levels {neck.finest} to {neck.coarsest} cannot be told in the released code's notation;"
            f" expected {FINEST} to {COARSEST}"
        )
    cells = ((neck.coarsest - merge.level, _OPERATIONS.index(merge.op), *merge.inputs) for merge in neck.merges)
    return [number for cell in cells for number in cell]
