"""Backbones with their weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import parts_of
from rl_nas.child.network.backbone import Backbone, PlannedBackbone
from rl_nas.child.network.keras_file import load_keras_file
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
    weights, normalization = read_weights(named.file, f"--backbone={named.name}")
    return PlannedBackbone(plan, weights, normalization, source=str(named.file))


def read_weights(file: Path, what: str) -> tuple[dict[str, np.ndarray], Normalization]:
    """The weights of a trained network by path, and the normalization of its images.

    Args:
        file: model.keras of a training.
        what: the flag that names it, for messages.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        network, normalization = parts_of(load_keras_file(file))
    except UsageError as error:
        raise UsageError(f"{what}: {file} cannot be read: {first_line(error)}") from error
    return {variable.path: variable.numpy() for variable in network.weights}, normalization
