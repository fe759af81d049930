"""The networks of a run, made from a genotype and the flags that name their other parts."""

from collections.abc import Callable
from dataclasses import replace

import keras

from rl_nas.child.export.serving import parts_of
from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.layer import Shape
from rl_nas.networks.network import feature_strides, plan_features, solve
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import tell_user
from rl_nas.tasks.task import Problem, Task
from rl_nas.workflows.config import SearchConfig, TrainConfig
from rl_nas.workflows.parts import NamedBackbone, find_backbone, other_parts


def make_networks(
    task: Task,
    problem: Problem,
    genotype: Genotype,
    what: str,
    config: SearchConfig | TrainConfig,
    image_shape: Shape,
    preset: str = "proxy",
) -> tuple[Networks, NamedBackbone | None]:
    """Makes the networks of a run.

    Args:
        task: of the networks.
        problem: of the data set, without parts.
        genotype: of the part that differs.
        what: the flag that it comes from.
        config: names the other parts.
        image_shape: height, width, channels.
        preset: of backbones of cells, if the flags name none.

    Returns:
        The networks, and their backbone if another part differs.

    Raises:
        UsageError: genotype, parts and task do not fit together.
    """
    problem = replace(problem, parts=other_parts(task, genotype, what, config.flags()))
    if family_of(genotype).part == BACKBONE:
        skeleton = solve(genotype, config.network, image_shape, task.head(problem), preset)
        problem = task.on_backbone(problem, feature_strides(genotype, skeleton, image_shape))
        return Networks(task, problem, config.network, image_shape, preset=preset), None
    named = find_backbone(config.parts.backbone, task, config.network)
    head = task.head(replace(problem, parts={**problem.parts, family_of(genotype).part: genotype}))
    trained = named.skeleton or solve(named.genotype, config.network, image_shape, head, preset)
    problem = task.on_backbone(problem, feature_strides(named.genotype, trained, image_shape))
    return Networks(task, problem, trained, image_shape, named.genotype), named


def load_backbone(
    named: NamedBackbone, networks: Networks, genotype: Genotype, tell: Callable[[str], None] = tell_user
) -> PlannedBackbone:
    """The part of networks before their heads, with its weights.

    Args:
        named: where the weights are.
        networks: with this backbone.
        genotype: of any of them.
        tell: called with a line if there are no weights.

    Raises:
        UsageError: the weights cannot be read, or are of another network.
    """
    plan = plan_features(named.genotype, networks.skeleton(genotype), networks.image_shape, networks.head(genotype))
    if named.file is None:
        tell(f"--backbone={named.name} has random weights; give the folder of a training for trained ones")
        return PlannedBackbone(plan, {})
    try:
        network, normalization = parts_of(keras.models.load_model(named.file, compile=False, safe_mode=True))
    except (ValueError, OSError, TypeError) as error:
        raise UsageError(f"--backbone={named.name}: {named.file} cannot be read: {first_line(error)}") from error
    weights = {variable.path: variable.numpy() for variable in network.weights}
    return PlannedBackbone(plan, weights, normalization, source=str(named.file))
