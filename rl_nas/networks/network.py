"""From any genotype to the plan of its network."""

from collections.abc import Callable
from dataclasses import replace

from rl_nas.errors import UsageError
from rl_nas.networks.chain import plan_chain_network
from rl_nas.networks.layers import Cost, Shape
from rl_nas.networks.nasbench101 import plan_nasbench101_network
from rl_nas.networks.nasbench201 import plan_nasbench201_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings, Skeleton, skeleton_of
from rl_nas.networks.skeleton import plan_cell_network
from rl_nas.spaces.cells import Cell, CellGenotype
from rl_nas.spaces.chain import ChainGenotype
from rl_nas.spaces.genotype import Genotype
from rl_nas.spaces.nasbench101 import ModelSpec
from rl_nas.spaces.nasbench201 import EdgeCell


def plan_network(
    genotype: Genotype,
    settings: NetworkSettings | Skeleton,
    image_shape: Shape,
    classes: int,
    training_steps: int | None = None,
) -> Plan:
    """Plans the network of a genotype.

    Args:
        genotype: the cells, the chain or the graph.
        settings: how it is made into a network; settings are solved for the size that they ask for.
        image_shape: height, width, channels of the images.
        classes: number of logits.
        training_steps: plan what only the training needs, auxiliary head and drop path, for so many steps.

    Raises:
        UsageError: the genotype, the skeleton and the image do not fit, or no size is small enough.
    """
    skeleton = settings if isinstance(settings, Skeleton) else solve(genotype, settings, image_shape, classes)
    plan = Plan(image_shape)
    match genotype:
        case CellGenotype():
            plan_cell_network(plan, genotype, skeleton, classes, training_steps)
        case ChainGenotype():
            plan_chain_network(plan, genotype, skeleton, classes)
        case ModelSpec():
            plan_nasbench101_network(plan, genotype, skeleton, classes)
        case EdgeCell():
            plan_nasbench201_network(plan, genotype, skeleton, classes)
    plan.prune()
    return plan


def solve(
    genotype: Genotype, settings: NetworkSettings, image_shape: Shape, classes: int, default: str = "proxy"
) -> Skeleton:
    """The skeleton that settings ask for, its filters solved for `size`, `target_params` and `target_madds`.

    Raises:
        UsageError: the settings contradict each other, or even one filter is too many.
    """
    skeleton = skeleton_of(genotype, settings, default)
    asked = {"target_params": settings.target_params, "target_madds": settings.target_madds}
    targets = {name: value for name, value in asked.items() if value is not None}
    given = [name for name in ("size", "filters", *targets) if getattr(settings, name) is not None]
    if len(given) > 1 and given[0] in ("size", "filters"):
        raise UsageError(f"--{given[0]} and --{given[1]} both settle the filters; give one of them")
    if settings.size is not None:
        return _sized(genotype, skeleton, settings.size)
    if not targets:
        return skeleton

    def fits(filters: int) -> bool:
        cost = plan_network(genotype, replace(skeleton, filters=filters), image_shape, classes).cost()
        return _within(cost, targets)

    filters = _largest(fits)
    if not filters:
        wanted = " and ".join(f"--{name}={value:g}" for name, value in targets.items())
        raise UsageError(f"{wanted}: one filter already exceeds it; give fewer --cells or a larger target")
    return replace(skeleton, filters=filters)


def size_notation(genotype: Genotype, skeleton: Skeleton) -> str:
    """N@P as in the papers: cells of a stage, channels before the classifier; empty for other networks."""
    if not isinstance(genotype, CellGenotype):
        return ""
    return f"{skeleton.cells}@{_output_width(genotype.normal) * skeleton.filters * 2**skeleton.reductions}"


def _sized(genotype: Genotype, skeleton: Skeleton, size: str) -> Skeleton:
    cells, _, channels = size.partition("@")
    if not isinstance(genotype, CellGenotype):
        raise UsageError(f"--size={size} is for networks of cells; give --cells and --filters")
    if not (cells.isdecimal() and channels.isdecimal() and int(cells) and int(channels)):
        raise UsageError(f"--size={size}: expected N@P with whole numbers, such as 4@1056")
    unit = _output_width(genotype.normal) * 2**skeleton.reductions
    if int(channels) % unit:
        raise UsageError(
            f"--size={size}: {channels} channels before the classifier are no multiple of {unit}, what one filter"
            " of the first stage makes there"
        )
    return replace(skeleton, cells=int(cells), filters=int(channels) // unit)


def _output_width(cell: Cell) -> int:
    """Channels of a cell's output, in filters of the cell."""
    return sum(2 if cell.combine_of(state) == "concat" else 1 for state in cell.concat)


def _within(cost: Cost, targets: dict[str, float]) -> bool:
    measured = {"target_params": cost.trainable, "target_madds": cost.madds}
    return all(measured[name] <= limit for name, limit in targets.items())


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number that fits, all smaller ones fitting too; 0 if 1 does not."""
    high = 1
    while fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
