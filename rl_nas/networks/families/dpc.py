"""The family of dense prediction cells (Chen et al. 2018, section 3.3)."""

from dataclasses import replace

from rl_nas.errors import UsageError
from rl_nas.networks.families.dpc_json import from_released, to_released
from rl_nas.networks.families.family import Arrow, Diagram, DiagramNode, HeadFamily
from rl_nas.networks.layers import AveragePool, Concat, DepthwiseConv, GridPool, Resize
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.spaces.dpc import ATROUS, CONV, FEATURES, Branch, DenseOperation, DensePredictionCell

POOLING_FORMS = ("grid", "released")
"""Forms of pyramid pooling, see `plan_dense_prediction_cell`."""

_LEGEND = (
    "features is the output of the backbone, a number the result of its line. atrous\n"
    "is a 3x3 separable convolution with rates of rows and columns, pool the averages\n"
    "over a grid of rows and columns, a 1x1 convolution, and resizing."
)


def plan_dense_prediction_cell(
    ops: Ops, cell: DensePredictionCell, features: Tensor, filters: int, pooling: str = "grid"
) -> Tensor:
    """Plans a cell: the concatenation of all branches, at the size of the features.

    Every convolution is followed by batch normalization and ReLU; so are both parts of a separable one, as in the
    released code. Pyramid pooling has two forms. `grid` is the paper's: one average for each cell of the grid, a 1x1
    convolution, and bilinear resizing. In `released`, the authors' code, the average is taken at every position over
    a window of (side - 1) // grid + 1, about the size of such a cell, without padding; corners stay corners when the
    result is resized.

    Args:
        ops: add layers to the plan.
        cell: the cell.
        features: the backbone's.
        filters: of every branch (256 in the paper).
        pooling: form of pyramid pooling.

    Raises:
        UsageError: there is no such form.
    """
    if pooling not in POOLING_FORMS:
        raise UsageError(f"pyramid pooling in the form {pooling!r}; expected one of {', '.join(POOLING_FORMS)}")
    outputs: list[Tensor] = []
    for number, branch in enumerate(cell.branches):
        x = features if branch.input == FEATURES else outputs[branch.input]
        with ops.plan.scope(f"branch{number}", variant=branch.input), ops.plan.scope(str(branch.op)):
            outputs.append(_plan_operation(ops, branch.op, x, filters, pooling))
    return outputs[0] if len(outputs) == 1 else ops.plan.add(Concat(chosen=True), *outputs, name="concat")


def _plan_operation(ops: Ops, op: DenseOperation, x: Tensor, filters: int, pooling: str) -> Tensor:
    match op.kind:
        case "conv_1x1":
            return ops.relu(ops.conv_bn(x, filters))
        case "atrous_3x3":
            with ops.plan.scope("depthwise"):
                x = ops.plan.add(DepthwiseConv(3, (op.rows, op.columns)), x, name="conv")
                x = ops.relu(ops.plan.add(ops.norm, x, name="bn"))
            with ops.plan.scope("pointwise"):
                return ops.relu(ops.conv_bn(x, filters))
        case _:
            return _plan_pooling(ops, (op.rows, op.columns), x, filters, pooling)


def _plan_pooling(ops: Ops, grid: tuple[int, int], x: Tensor, filters: int, pooling: str) -> Tensor:
    (height, width), (rows, columns), released = x.size, grid, pooling == "released"
    window = ((height - 1) // rows + 1, (width - 1) // columns + 1)
    pooled = ops.plan.add(AveragePool(window) if released else GridPool(grid), x, name="pool")
    pooled = ops.relu(ops.conv_bn(pooled, filters))
    return ops.plan.add(Resize(x.size, align_corners=released), pooled, name="resize")


def merged(cell: DensePredictionCell, size: tuple[int, int]) -> DensePredictionCell:
    """The cell with the smallest rates that compute the same on a map of this height and width.

    With a rate of at least the map's side, every tap but the middle one reads padding. At 12x15 the paper's 81
    operations compute 47 different functions.
    """
    height, width = size

    def smallest(branch: Branch) -> Branch:
        op = branch.op
        if op.kind != ATROUS:
            return branch
        return replace(branch, op=replace(op, rows=min(op.rows, height), columns=min(op.columns, width)))

    return DensePredictionCell(tuple(map(smallest, cell.branches)))


def _input_name(branch: Branch) -> str:
    return "features" if branch.input == FEATURES else str(branch.input)


def _words(op: DenseOperation) -> str:
    return "conv 1x1" if op.kind == CONV else str(op).replace("_", " ")


def _text(cell: DensePredictionCell) -> str:
    words = [_words(branch.op) for branch in cell.branches]
    width = max(map(len, words))
    lines = ["dense prediction cell"]
    for number, (branch, op) in enumerate(zip(cell.branches, words, strict=True)):
        lines.append(f"  {number:>6} = {op:{width}} ( {_input_name(branch)} )")
    outputs = f"0 to {len(words) - 1}" if len(words) > 1 else "0"
    return "\n".join([*lines, f"  output = concat( {outputs} )", "", _LEGEND])


def _drawing(cell: DensePredictionCell) -> Diagram:
    nodes = [DiagramNode("features", "input")]
    nodes += [DiagramNode(f"{n}: {_words(branch.op)}", "op") for n, branch in enumerate(cell.branches)]
    nodes.append(DiagramNode("concat", "output"))
    arrows = [Arrow(branch.input + 1, n, side=-1) for n, branch in enumerate(cell.branches, start=1)]
    return Diagram(nodes, arrows + [Arrow(n, len(nodes) - 1, side=1) for n in range(1, len(nodes) - 1)])


DPC = HeadFamily(
    genotype=DensePredictionCell,
    text=_text,
    drawing=_drawing,
    from_foreign=from_released,
    to_foreign=to_released,
    plan=plan_dense_prediction_cell,
    merged=merged,
)
