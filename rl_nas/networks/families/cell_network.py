"""The network around cells: stem and stages of cells (Zoph et al. 2018, figure 2)."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from rl_nas.networks.families.cell import plan_cell
from rl_nas.networks.features import Features
from rl_nas.networks.layers import Conv, TrainingFraction
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.cells import CellGenotype

_IMAGENET_STEM_FILTERS = 32


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


def plan_cell_network(ops: Ops, genotype: CellGenotype, skeleton: Skeleton, steps: int | None) -> Features:
    """Plans the stem and the stages of cells.

    Args:
        ops: add layers to an empty plan with an image input.
        genotype: the cells.
        skeleton: of the network.
        steps: train steps to plan drop path for; None: inference, without drop path.

    Returns:
        The output of every stage by its stride, and the stem's if no stage has that stride.

    Raises:
        UsageError: the image is too small for the reductions.
    """
    plan, imagenet = ops.plan, skeleton.stem == "imagenet"
    plan.check_halvings(skeleton.reductions + (3 if imagenet else 0))
    ops = replace(ops, zero_padded_pools=skeleton.zero_padded_pools)
    if steps is not None and skeleton.drop_path < 1:
        ops = replace(ops, fraction=plan.add(TrainingFraction(steps), plan.image, name="progress"))
    outputs, stride = [_plan_stem(ops, skeleton)], 2 if imagenet else 1
    levels = {stride: outputs[0]}
    previous: Tensor | None = None
    cells = list(placed_cells(genotype, skeleton))
    for number, placed in enumerate(cells, start=1):
        cell = genotype.reduction if placed.reduces and genotype.reduction else genotype.normal
        keep = 1 - number / len(cells) * (1 - skeleton.drop_path)
        filters = max(1, int(skeleton.filters * placed.scale))
        with plan.scope(placed.name):
            step = 2 if placed.reduces else 1
            read = outputs[-1] if previous is None and skeleton.squeeze_first else previous
            outputs.append(plan_cell(replace(ops, keep=keep), cell, outputs[-1], read, filters, step))
        stride *= step
        levels[stride] = outputs[-1]
        # The next cell's second input: the input of this cell, or (skip) this cell's own second input.
        skipped = placed.reduces and skeleton.skip_reduction_input and not placed.name.startswith("stem")
        previous = previous if skipped else outputs[-2]
    if skeleton.output_conv:
        with plan.scope("output"):
            levels[stride] = ops.conv_bn(ops.relu(outputs[-1]), filters)
    return Features(levels, ops.relu)


def _plan_stem(ops: Ops, skeleton: Skeleton) -> Tensor:
    imagenet = skeleton.stem == "imagenet"
    filters = max(1, round(skeleton.stem_multiplier * (_IMAGENET_STEM_FILTERS if imagenet else skeleton.filters)))
    conv = Conv(filters, (3, 3), (2, 2), padding="valid") if imagenet else Conv(filters, (3, 3))
    with ops.plan.scope("stem"):
        return ops.plan.add(ops.norm, ops.plan.add(conv, ops.plan.image, name="conv"), name="bn")
