"""The network around the cells: stem, stacks of cells, head (Zoph et al. 2018, figure 2, CIFAR)."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.networks.cells import plan_cell
from rl_nas.networks.layers import BatchNorm, Conv, Dense, Dropout, GlobalPool, Shape
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan, Tensor
from rl_nas.settings import Settings, setting
from rl_nas.spaces.genotype import CellGenotype


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """How cells are stacked into a network. The defaults are the proxy of the paper's search."""

    title: ClassVar[str] = "Child network"

    cells: int = setting(2, "normal cells in each of the stages (N in the papers)", minimum=1)
    filters: int = setting(32, "filters of the first stage's cells (F); double after every reduction", minimum=1)
    reductions: int = setting(2, "reduction cells; there is one stage more than that", minimum=0)
    stem_multiplier: float = setting(3.0, "the stem's 3x3 convolution has this times --filters filters", above=0)
    skip_reduction_input: bool = setting(
        False, "the cell after a reduction takes as h[i-1] the cell before the reduction's input"
    )
    dropout: float = setting(0.0, "share of the features dropped before the classifier", minimum=0, maximum=0.99)
    bn_momentum: float = setting(0.9, "decay of the moving averages of batch normalisation", minimum=0, maximum=1)
    bn_epsilon: float = setting(1e-5, "added to the variance in batch normalisation", above=0)


def plan_network(genotype: CellGenotype, settings: NetworkSettings, image_shape: Shape, classes: int) -> Plan:
    """Plans stem, `reductions + 1` stages of `cells` normal cells with a reduction before each but the first, head.

    Args:
        genotype: the two cells.
        settings: how they are stacked.
        image_shape: height, width, channels of the images.
        classes: number of logits.

    Raises:
        UsageError: the image is too small for the reductions.
    """
    if min(image_shape[:2]) < 2**settings.reductions:
        raise UsageError(
            f"images of {image_shape[0]}x{image_shape[1]} pixels are too small for {settings.reductions}"
            f" reductions; expected at least {2**settings.reductions} pixels, or fewer --reductions"
        )
    plan = Plan(image_shape)
    ops = Ops(plan, BatchNorm(settings.bn_momentum, settings.bn_epsilon))
    _plan_head(plan, ops, _plan_cells(ops, genotype, settings, _plan_stem(ops, settings)), settings, classes)
    return plan


def _plan_stem(ops: Ops, settings: NetworkSettings) -> Tensor:
    filters = max(1, round(settings.filters * settings.stem_multiplier))
    with ops.plan.scope("stem"):
        return ops.plan.add(ops.norm, ops.plan.add(Conv(filters, (3, 3)), ops.plan.image, name="conv"), name="bn")


def _plan_cells(ops: Ops, genotype: CellGenotype, settings: NetworkSettings, stem: Tensor) -> Tensor:
    outputs: list[Tensor | None] = [None, stem]
    h = stem
    filters = settings.filters
    for stage in range(settings.reductions + 1):
        for number in range(settings.cells):
            h_previous = outputs[-2]
            if stage > 0 and number == 0:
                filters *= 2
                with ops.plan.scope(f"reduction{stage}"):
                    h = plan_cell(ops, genotype.reduction, h, h_previous, filters, stride=2)
                outputs.append(h)
                if not settings.skip_reduction_input:
                    h_previous = outputs[-2]
            with ops.plan.scope(f"stage{stage + 1}.normal{number + 1}"):
                h = plan_cell(ops, genotype.normal, h, h_previous, filters, stride=1)
            outputs.append(h)
    return h


def _plan_head(plan: Plan, ops: Ops, h: Tensor, settings: NetworkSettings, classes: int) -> None:
    with plan.scope("head"):
        h = plan.add(GlobalPool(), ops.relu(h), name="pool")
        if settings.dropout:
            h = plan.add(Dropout(settings.dropout), h, name="dropout")
        plan.add(Dense(classes), h, name="logits")
