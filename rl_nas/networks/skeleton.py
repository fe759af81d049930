"""The network around cells: stem, stages of cells, auxiliary head, head (Zoph et al. 2018, figure 2)."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from rl_nas.errors import UsageError
from rl_nas.networks.cells import plan_cell
from rl_nas.networks.layers import BatchNorm, Conv, Dense, Dropout, GlobalPool, Pool, TrainingProgress
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan, Tensor
from rl_nas.networks.settings import Skeleton
from rl_nas.spaces.cells import CellGenotype

_IMAGENET_STEM_FILTERS = 32
_AUXILIARY_FILTERS = (128, 768)


class PlacedCell(NamedTuple):
    """One cell of a network.

    Attributes:
        name: `reduction2` or `stage1.normal3`; the stem's reductions are `stem.reduction1` and 2.
        reduces: whether it halves the image.
        scale: its filters, as a multiple of the network's F.
    """

    name: str
    reduces: bool
    scale: Fraction


def placed_cells(genotype: CellGenotype, skeleton: Skeleton) -> Iterator[PlacedCell]:
    """The cells in order. A genotype without a reduction cell strides the first normal cell of a stage instead."""
    if skeleton.stem == "imagenet":
        yield PlacedCell("stem.reduction1", True, Fraction(1, 4))
        yield PlacedCell("stem.reduction2", True, Fraction(1, 2))
    for stage in range(skeleton.reductions + 1):
        scale = Fraction(2**stage)
        if stage > 0:
            yield PlacedCell(f"reduction{stage}", True, scale)
        first = 2 if stage > 0 and genotype.reduction is None else 1
        for number in range(first, skeleton.cells + 1):
            yield PlacedCell(f"stage{stage + 1}.normal{number}", False, scale)


def plan_cell_network(
    plan: Plan, genotype: CellGenotype, skeleton: Skeleton, classes: int, training_steps: int | None
) -> None:
    """Plans a network of cells.

    Args:
        plan: an empty plan for the images at hand.
        genotype: the cells.
        skeleton: how they are stacked.
        classes: number of logits.
        training_steps: plan what only the training needs, auxiliary head and drop path, for so many steps.

    Raises:
        UsageError: the image is too small for the reductions or for the auxiliary head.
    """
    plan.check_halvings(skeleton.reductions + (3 if skeleton.stem == "imagenet" else 0))
    norm = BatchNorm(skeleton.bn_momentum, skeleton.bn_epsilon)
    ops = Ops(plan, norm, zero_padded_pools=skeleton.zero_padded_pools)
    if training_steps is not None and skeleton.drop_path < 1:
        ops = replace(ops, progress=plan.add(TrainingProgress(training_steps), plan.image, name="progress"))
    outputs = [_plan_stem(ops, skeleton)]
    previous: Tensor | None = None
    cells = list(placed_cells(genotype, skeleton))
    # "2/3 of the way up the network": the auxiliary head reads what the last reduction reads.
    last_reduction = f"reduction{skeleton.reductions}"
    for number, placed in enumerate(cells, start=1):
        cell = genotype.reduction if placed.reduces and genotype.reduction else genotype.normal
        keep = 1 - number / len(cells) * (1 - skeleton.drop_path)
        filters = max(1, int(skeleton.filters * placed.scale))
        if placed.name == last_reduction and skeleton.auxiliary and training_steps is not None:
            plan.auxiliary = _plan_auxiliary(ops, outputs[-1], classes)
        with plan.scope(placed.name):
            stride = 2 if placed.reduces else 1
            outputs.append(plan_cell(replace(ops, keep=keep), cell, outputs[-1], previous, filters, stride))
        # What the next cell reads beside this output: the input of this cell, or (skip) what that one read.
        skipped = placed.reduces and skeleton.skip_reduction_input and not placed.name.startswith("stem")
        previous = previous if skipped else outputs[-2]
    output = outputs[-1]
    if skeleton.output_conv:
        with plan.scope("output"):
            output = ops.conv_bn(ops.relu(output), filters)
    _plan_head(ops, output, skeleton, classes)


def _plan_stem(ops: Ops, skeleton: Skeleton) -> Tensor:
    imagenet = skeleton.stem == "imagenet"
    filters = max(1, round(skeleton.stem_multiplier * (_IMAGENET_STEM_FILTERS if imagenet else skeleton.filters)))
    conv = Conv(filters, (3, 3), (2, 2), padding="valid") if imagenet else Conv(filters, (3, 3))
    with ops.plan.scope("stem"):
        return ops.plan.add(ops.norm, ops.plan.add(conv, ops.plan.image, name="conv"), name="bn")


def _plan_auxiliary(ops: Ops, h: Tensor, classes: int) -> Tensor:
    if min(h.size) < 5:
        raise UsageError(
            f"the auxiliary head pools 5x5 pixels and meets {h.size[0]}x{h.size[1]};"
            " give --noauxiliary or larger images"
        )
    plan, (narrow, wide) = ops.plan, _AUXILIARY_FILTERS
    with plan.scope("auxiliary"):
        h = plan.add(Pool("avg", 5, stride=3, padding="valid"), ops.relu(h), name="pool")
        h = ops.relu(ops.conv_bn(h, narrow))
        h = plan.add(Conv(wide, h.size, padding="valid"), h, name="conv")
        h = ops.relu(plan.add(ops.norm, h, name="bn"))
        return plan.add(Dense(classes), plan.add(GlobalPool(), h, name="flatten"), name="logits")


def _plan_head(ops: Ops, h: Tensor, skeleton: Skeleton, classes: int) -> None:
    with ops.plan.scope("head"):
        h = ops.plan.add(GlobalPool(), ops.relu(h), name="pool")
        if skeleton.dropout:
            h = ops.plan.add(Dropout(skeleton.dropout), h, name="dropout")
        ops.plan.add(Dense(classes), h, name="logits")
