"""Everything that the children of a search have in common, the same in the driver and in workers."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.feature_cache import CachedFeatures, cached_features, default_root
from rl_nas.child.data.feature_data import FeatureData, check_augmentation
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.training_data import DeviceData, TrainingData
from rl_nas.child.export.serving import parts_of
from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.network import feature_strides, plan_features, solve
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import Opened
from rl_nas.tasks.task import Problem, Task
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.parts import NamedBackbone, find_backbone, other_parts


@dataclass(frozen=True)
class ChildSetup:
    """Data and networks of children.

    Attributes:
        images: of the search.
        annotation: of their targets.
        networks: from images to outputs.
        backbone: that is not searched; None: it is.
        features: of the backbone, that children read instead of images; None: they read images.
    """

    images: ImageData
    annotation: Annotation
    networks: Networks
    backbone: PlannedBackbone | None = None
    features: CachedFeatures | None = None

    @property
    def children(self) -> Networks:
        """The networks that are trained."""
        return self.networks if self.features is None else replace(self.networks, backbone=self.features.maps)

    @property
    def normalization(self) -> Normalization:
        """Normalization of images."""
        trained = None if self.backbone is None else self.backbone.normalization
        return trained or self.images.normalization()

    @property
    def start(self) -> Mapping[str, np.ndarray]:
        """Weights of the backbone by path, which children that read images start from."""
        return {} if self.backbone is None else self.backbone.weights

    def training_data(self) -> TrainingData:
        """The examples of children."""
        if self.features is not None:
            return FeatureData(self.features, self.images, self.annotation)
        return DeviceData(self.images, self.annotation, self.normalization)


def set_up(config: SearchConfig, genotype: Genotype, opened: Opened, images: ImageData) -> ChildSetup:
    """Makes networks and features of a search.

    Args:
        config: of the search.
        genotype: any of its space.
        opened: task and data set.
        images: of the data set.

    Raises:
        UsageError: space, parts, task and data do not fit together.
    """
    task, flags = opened.task, config.flags()
    what = f"--space={config.space.space}"
    problem = config.problem(task, images.class_names)
    problem = replace(problem, parts=other_parts(task, genotype, what, flags))
    if family_of(genotype).part == BACKBONE:
        skeleton = solve(genotype, config.network, images.image_shape, task.head(problem))
        problem = task.on_backbone(problem, feature_strides(genotype, skeleton, images.image_shape))
        networks = Networks(task, problem, config.network, images.image_shape)
        return ChildSetup(images, opened.source.annotation, networks)
    named = find_backbone(config.parts.backbone, task, config.network)
    networks = _on_backbone(config, task, problem, named, images)
    backbone = load_backbone(named, networks, genotype)
    setup = ChildSetup(images, opened.source.annotation, networks, backbone)
    if config.features.feature_cache == "no":
        return setup
    check_augmentation(config.augmentation)
    root = Path(config.features.feature_dir).expanduser() if config.features.feature_dir else default_root()
    flip = config.augmentation.flip
    features = cached_features(backbone, images, setup.normalization, root, mirrored=flip, tell=_tell)
    return replace(setup, features=features)


def _on_backbone(
    config: SearchConfig, task: Task, problem: Problem, named: NamedBackbone, images: ImageData
) -> Networks:
    skeleton = named.skeleton
    if skeleton is None:
        skeleton = solve(named.genotype, config.network, images.image_shape, task.head(problem))
    problem = task.on_backbone(problem, feature_strides(named.genotype, skeleton, images.image_shape))
    return Networks(task, problem, skeleton, images.image_shape, named.genotype)


def load_backbone(named: NamedBackbone, networks: Networks, genotype: Genotype) -> PlannedBackbone:
    """The part of networks before their heads, with its weights.

    Args:
        named: where the weights are.
        networks: with this backbone.
        genotype: of any of them.

    Raises:
        UsageError: the weights cannot be read, or are of another network.
    """
    plan = plan_features(named.genotype, networks.skeleton(genotype), networks.image_shape, networks.head(genotype))
    if named.file is None:
        _tell(f"--backbone={named.name} has random weights; give the folder of a training for trained ones")
        return PlannedBackbone(plan, {})
    try:
        network, normalization = parts_of(keras.models.load_model(named.file, compile=False, safe_mode=True))
    except (ValueError, OSError, TypeError) as error:
        raise UsageError(f"--backbone={named.name}: {named.file} cannot be read: {first_line(error)}") from error
    weights = {variable.path: variable.numpy() for variable in network.weights}
    return PlannedBackbone(plan, weights, normalization, source=str(named.file))


def _tell(line: Any) -> None:
    print(line, file=sys.stderr, flush=True)
