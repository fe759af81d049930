"""Backbones with their weights."""

from collections.abc import Callable

import keras

from rl_nas.child.export.serving import parts_of
from rl_nas.child.network.backbone import Backbone, PlannedBackbone
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.network import plan_features
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import tell_user
from rl_nas.workflows.networks import NamedBackbone


def load_backbone(
    named: NamedBackbone, networks: Networks, genotype: Genotype, tell: Callable[[str], None] = tell_user
) -> Backbone:
    """The part of networks before their heads, with its weights.

    Args:
        named: where the weights are.
        networks: with this backbone.
        genotype: of any of them.
        tell: called with a line if there are no weights.

    Raises:
        UsageError: the weights cannot be read, or are of another network.
    """
    if named.keras is not None:
        return named.keras
    assert named.genotype is not None
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
