"""Plans of networks from any genotype."""

import re
from collections.abc import Callable
from dataclasses import replace

from rl_nas.errors import UsageError
from rl_nas.networks.dilation import dilate
from rl_nas.networks.families.catalog import backbone_family
from rl_nas.networks.features import FeatureMaps, Features, Head, feature_name
from rl_nas.networks.layer import Cost, Shape
from rl_nas.networks.layers import BatchNorm
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype


def plan_network(
    backbone: Genotype | FeatureMaps,
    settings: NetworkSettings | Skeleton,
    image_shape: Shape,
    head: Head,
    training_steps: int | None = None,
    *,
    frozen_norm: bool = False,
) -> Plan:
    """Plans a network: the features of a backbone, and the head of a task.

    Args:
        backbone: its genotype; or the feature maps of a backbone that is not planned.
        settings: of the network around it; solved for the size that they ask for.
        image_shape: height, width, channels of the images.
        head: of the task, such as `rl_nas.tasks.classification.head.ClassificationHead(classes=10)`.
        training_steps: train steps to plan auxiliary head and drop path for; None: inference, without them.
        frozen_norm: plan batch normalization that is not trained, in front of the head.

    Raises:
        UsageError: backbone, skeleton, head and image do not fit together, or no size is small enough.
    """
    skeleton = settings if isinstance(settings, Skeleton) else solve(backbone, settings, image_shape, head)
    plan = backbone.plan() if isinstance(backbone, FeatureMaps) else Plan.of_image(image_shape)
    ops = Ops(plan, BatchNorm(skeleton.bn_momentum, skeleton.bn_epsilon))
    of_backbone = replace(ops, norm=replace(ops.norm, frozen=frozen_norm))
    features = _features(of_backbone, backbone, skeleton, head, training_steps)
    plan.outputs = head.plan(ops, features, skeleton, training=training_steps is not None)
    plan.prune()
    return plan


def plan_features(genotype: Genotype, skeleton: Skeleton, image_shape: Shape, head: Head) -> Plan:
    """Plans the part of a network that is before its head; its outputs are the feature maps that the head reads."""
    plan = Plan.of_image(image_shape)
    ops = Ops(plan, BatchNorm(skeleton.bn_momentum, skeleton.bn_epsilon))
    features = _features(ops, genotype, skeleton, head, None)
    strides = head.strides({stride: tensor.shape for stride, tensor in features.levels.items()})
    with plan.scope("head"):
        plan.outputs = {feature_name(s): features.finished(s) for s in sorted(strides, reverse=True)}
    plan.prune()
    return plan


def feature_strides(genotype: Genotype, skeleton: Skeleton, image_shape: Shape) -> tuple[int, ...]:
    """Strides of the feature maps that a backbone offers if it is not dilated, from the finest to the coarsest."""
    ops = Ops(Plan.of_image(image_shape), BatchNorm(skeleton.bn_momentum, skeleton.bn_epsilon))
    return tuple(sorted(_features(ops, genotype, skeleton, None, None).levels))


def _features(
    ops: Ops, backbone: Genotype | FeatureMaps, skeleton: Skeleton, head: Head | None, steps: int | None
) -> Features:
    if isinstance(backbone, FeatureMaps):
        return Features({stride: ops.plan.inputs[feature_name(stride)] for stride in backbone.shapes})
    family = backbone_family(backbone)
    if head is not None:
        ops.plan.pad_image(head.image_multiple)
    features = family.plan(ops, backbone, skeleton, steps)
    if head is None or head.max_stride is None:
        return features
    if not family.dilates:
        raise UsageError(f"--dilated: networks of {backbone.KIND} have no dilated form; leave it out")
    return dilate(ops.plan, features, head.max_stride)


def solve(
    backbone: Genotype | FeatureMaps, settings: NetworkSettings, image_shape: Shape, head: Head, default: str = "proxy"
) -> Skeleton:
    """The skeleton of settings around a backbone, its filters solved for `size`, `target_params` and `target_madds`.

    Raises:
        UsageError: the settings contradict each other or have no effect, or even one filter is too many.
    """
    skeleton = skeleton_of(backbone, settings, head.reads, default)
    if isinstance(backbone, FeatureMaps):
        return skeleton
    asked = {"target_params": settings.target_params, "target_madds": settings.target_madds}
    targets = {name: value for name, value in asked.items() if value is not None}
    given = [name for name in ("size", "filters", *targets) if getattr(settings, name) is not None]
    if len(given) > 1 and given[0] in ("size", "filters"):
        raise UsageError(f"--{given[0]} and --{given[1]} both determine the filters; give one of them")
    if settings.size is not None:
        return _sized(backbone, skeleton, settings.size)
    if not targets:
        return skeleton

    def fits(filters: int) -> bool:
        cost = plan_network(backbone, replace(skeleton, filters=filters), image_shape, head).cost()
        return _within(cost, targets)

    filters = _largest(fits)
    if not filters:
        wanted = " and ".join(f"--{name}={value:g}" for name, value in targets.items())
        raise UsageError(f"{wanted}: one filter already exceeds it; give fewer --cells or a larger target")
    return replace(skeleton, filters=filters)


def size_notation(backbone: Genotype | FeatureMaps, skeleton: Skeleton) -> str:
    """N@P as in the papers: cells of a stage, channels before the head; empty for networks without a fixed width."""
    width = None if isinstance(backbone, FeatureMaps) else backbone_family(backbone).output_width
    return "" if width is None else f"{skeleton.cells}@{width(backbone) * skeleton.filters * 2**skeleton.reductions}"


def _sized(genotype: Genotype, skeleton: Skeleton, size: str) -> Skeleton:
    width = backbone_family(genotype).output_width
    assert width is not None  # otherwise the family does not read the setting
    numbers = re.fullmatch(r"(\d{1,3})@(\d{1,7})", size)
    cells, channels = map(int, numbers.groups()) if numbers else (0, 0)
    if not (cells and channels):
        raise UsageError(f"--size={size[:40]}: expected N@P with whole numbers, such as 4@1056")
    unit = width(genotype) * 2**skeleton.reductions
    if channels % unit:
        raise UsageError(
            f"--size={size}: {channels} channels before the head are not a multiple of {unit}, the channels for"
            " one filter of the first stage"
        )
    return replace(skeleton, cells=cells, filters=channels // unit)


def _within(cost: Cost, targets: dict[str, float]) -> bool:
    measured = {"target_params": cost.trainable, "target_madds": cost.madds}
    return all(measured[name] <= limit for name, limit in targets.items())


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number that fits, if all smaller ones fit too; 0 if 1 does not."""
    high = 1
    while fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
