"""Dense prediction cells in the JSON of their authors' released code (Chen et al. 2018)."""

from collections.abc import Mapping
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.spaces.dpc import ATROUS, CONV, POOLING, Branch, DensePredictionCell, read_operation
from rl_nas.spaces.json_fields import expect, item, items

_KERNELS = {1: CONV, 3: ATROUS}


def from_released(document: object) -> DensePredictionCell | None:
    """Reads a list of branches such as `{"kernel": 3, "op": "conv", "rate": [1, 6], "input": -1}`.

    The other operations are `{"kernel": 1, "op": "conv", "input": 0}` and `{"op": "pyramid_pooling", "grid_size":
    [4, 2], "input": 0}`. One number stands for two equal ones. As in the released code, rates of a 1x1 convolution and
    kernels of pooling have no effect.

    Args:
        document: JSON values.

    Returns:
        The cell; None for what is no list of objects.

    Raises:
        UsageError: a branch is malformed; the message tells where.
    """
    if not isinstance(document, list) or not document or not all(isinstance(branch, dict) for branch in document):
        return None
    return DensePredictionCell(tuple(_read_branch(branch, f"branch {n}") for n, branch in enumerate(document)))


def to_released(cell: DensePredictionCell) -> list[dict[str, Any]]:
    """The cell as the released code reads it."""
    documents: list[dict[str, Any]] = []
    for branch in cell.branches:
        op = branch.op
        match op.kind:
            case "conv_1x1":
                part: dict[str, Any] = {"kernel": 1, "op": "conv"}
            case "atrous_3x3":
                part = {"kernel": 3, "op": "conv", "rate": [op.rows, op.columns]}
            case _:
                part = {"op": "pyramid_pooling", "grid_size": [op.rows, op.columns]}
        documents.append({**part, "input": branch.input})
    return documents


def _read_branch(branch: Mapping[str, object], where: str) -> Branch:
    source = expect(item(branch, "input", where), int, f"{where}: input")
    op = item(branch, "op", where)
    if op == "pyramid_pooling":
        return Branch(source, read_operation(where, POOLING, *_pair(branch, "grid_size", where)))
    if op != "conv":
        raise UsageError(f"{where}: op is {str(op)[:60]!r}; expected conv or pyramid_pooling")
    kernel = _pair(branch, "kernel", where)
    if kernel[0] != kernel[1] or kernel[0] not in _KERNELS:
        raise UsageError(f"{where}: kernel is {kernel[0]}x{kernel[1]}; expected 1 or 3")
    rates = _pair(branch, "rate", where) if kernel[0] == 3 else ()
    return Branch(source, read_operation(where, _KERNELS[kernel[0]], *rates))


def _pair(branch: Mapping[str, object], key: str, where: str) -> tuple[int, ...]:
    """Two numbers, or one for both."""
    value = item(branch, key, where)
    if isinstance(value, list):
        return items(value, int, f"{where}: {key}", count=2)
    return (expect(value, int, f"{where}: {key}"),) * 2
