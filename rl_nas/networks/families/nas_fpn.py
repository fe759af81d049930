"""The family of necks of merging cells (Ghiasi et al. 2019)."""

from collections.abc import Mapping, Sequence

from rl_nas.networks.families.family import Arrow, Diagram, DiagramNode, NeckFamily
from rl_nas.networks.families.nas_fpn_json import from_released, to_released
from rl_nas.networks.layers import Add, Conv, GlobalAttention, Pool, Resize
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.spaces.nas_fpn import ATTENTION, Merge, MergingNeck

_LEGEND = (
    "A line is a merging cell: its number and level, the features that it joins, then\n"
    "ReLU, a 3x3 convolution and normalization. attention adds the second feature,\n"
    "weighted by the global maximum of the first, to the first."
)


def plan_merging_neck(
    ops: Ops, neck: MergingNeck, levels: Mapping[int, Tensor], strides: Sequence[int], filters: int, repeats: int
) -> dict[int, Tensor]:
    """Plans a neck, stacked.

    Each level of the backbone is projected by a 1x1 convolution, with bias and normalization; those that it lacks are
    pooled from the next finer one. Features are brought to a coarser level by max pooling, to a finer one by nearest
    upsampling to its own size. Convolutions have biases, as in the released code.

    Args:
        ops: add layers to the plan.
        neck: its merging cells.
        levels: stride -> the backbone's feature map.
        strides: of the neck's levels, from the finest to the coarsest.
        filters: of every level.
        repeats: necks behind each other, each with its own weights.

    Returns:
        Stride -> output.
    """
    features = dict[int, Tensor]()
    for stride in strides:
        with ops.plan.scope(f"stride{stride}"):
            if stride in levels:
                features[stride] = _conv_bn(ops, levels[stride], filters, 1)
            else:
                features[stride] = ops.plan.add(Pool("max", 2, 2), features[stride // 2], name="pool")
    for repeat in range(repeats):
        with ops.plan.scope(f"repeat{repeat}"):
            features = _stage(ops, neck, features, filters)
    return features


def _stage(ops: Ops, neck: MergingNeck, pyramid: Mapping[int, Tensor], filters: int) -> dict[int, Tensor]:
    sizes = {level: pyramid[2**level].size for level in neck.levels}
    features, levels = [pyramid[2**level] for level in neck.levels], neck.feature_levels
    for number, merge in enumerate(neck.merges):
        reads = ".".join(map(str, merge.inputs))
        with ops.plan.scope(f"merge{number}", variant=f"{merge.op}.{merge.level}.{reads}"):
            pair = [_resampled(ops, features[n], levels[n], merge.level, sizes) for n in _gating_first(neck, merge)]
            x = ops.plan.add(GlobalAttention(), *pair, name="attention") if merge.op == ATTENTION else None
            terms = [*(pair if x is None else [x]), *(features[n] for n in neck.added(number))]
            if x is None or len(terms) > 1:
                x = ops.plan.add(Add(), *terms, name="add")
            features.append(_conv_bn(ops, ops.relu(x), filters, 3))
    outputs = {2 ** levels[n]: features[n] for n in range(len(features) - len(neck.levels), len(features))}
    return {2**level: outputs[2**level] for level in neck.levels}


def _gating_first(neck: MergingNeck, merge: Merge) -> tuple[int, int]:
    """The inputs of a merging cell, the coarser one first if it is an attention."""
    first, second = merge.inputs
    levels = neck.feature_levels
    return (second, first) if merge.op == ATTENTION and levels[first] < levels[second] else (first, second)


def _resampled(ops: Ops, x: Tensor, level: int, target: int, sizes: Mapping[int, tuple[int, int]]) -> Tensor:
    if level == target:
        return x
    if level > target:
        return ops.plan.add(Resize(sizes[target], method="nearest"), x, name="upsample")
    stride = 2 ** (target - level)
    return ops.plan.add(Pool("max", stride, stride), x, name="pool")


def _conv_bn(ops: Ops, x: Tensor, filters: int, kernel: int) -> Tensor:
    x = ops.plan.add(Conv(filters, (kernel, kernel), bias=True), x, name="conv")
    return ops.plan.add(ops.norm, x, name="bn")


def _text(neck: MergingNeck) -> str:
    inputs = len(neck.levels)
    lines = [f"neck of merging cells, levels {neck.finest} to {neck.coarsest}"]
    for number, merge in enumerate(neck.merges):
        pair = ", ".join(_name(neck, n) for n in _gating_first(neck, merge))
        added = "".join(f" + {_name(neck, n)}" for n in neck.added(number))
        output = "" if number < neck.inner else "  (output)"
        lines.append(f"  {inputs + number:>6}: level {merge.level} = {merge.op}( {pair} ){added}{output}")
    return "\n".join([*lines, "", _LEGEND])


def _name(neck: MergingNeck, feature: int) -> str:
    return f"P{neck.levels[feature]}" if feature < len(neck.levels) else str(feature)


def _drawing(neck: MergingNeck) -> Diagram:
    inputs = len(neck.levels)
    nodes = [DiagramNode(f"P{level}", "input") for level in neck.levels]
    arrows = []
    for number, merge in enumerate(neck.merges):
        kind = "op" if number < neck.inner else "output"
        nodes.append(DiagramNode(f"{inputs + number}: {merge.op}, level {merge.level}", kind))
        arrows += [Arrow(n, inputs + number) for n in (*merge.inputs, *neck.added(number))]
    return Diagram(nodes, arrows)


NAS_FPN = NeckFamily(
    genotype=MergingNeck,
    text=_text,
    drawing=_drawing,
    from_foreign=from_released,
    to_foreign=to_released,
    plan=plan_merging_neck,
    levels=lambda neck: neck.levels,
)
