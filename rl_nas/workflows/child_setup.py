"""Everything that the children of a search have in common, the same in the driver and in workers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.feature_cache import CachedFeatures, cached_features, default_root
from rl_nas.child.data.feature_data import ComputedFeatures, FeatureData, check_augmentation
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.training_data import DeviceData, TrainingData
from rl_nas.child.network.backbone import Backbone
from rl_nas.child.network.composed import build_network
from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_backbone import KerasBackbone
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.devices import layers_in
from rl_nas.evaluation.pretraining import Pretraining, Start
from rl_nas.networks.layer import Cost
from rl_nas.networks.plan import Plan
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.search_folder import SearchFolder
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import Opened, tell_user
from rl_nas.workflows.backbone import load_backbone
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.planned_networks import PlannedNetworks, plan_networks
from rl_nas.workflows.pretraining import make_pretraining


@dataclass(frozen=True)
class ChildSetup:
    """Data and networks of children.

    Attributes:
        images: of the search.
        annotation: of their targets.
        networks: from images to outputs.
        backbone: that is not searched; None: it is.
        features: of the backbone, that children read instead of images; None: they are not computed once.
        frozen: whether children read features that are computed from every batch.
        pretraining: of searched backbones; None: they start from random weights.
        precision: number type of children; see `PlannedModel`.
    """

    images: ImageData
    annotation: Annotation
    networks: Networks
    backbone: Backbone | None = None
    features: CachedFeatures | None = None
    frozen: bool = False
    pretraining: Pretraining | None = None
    precision: str = "float32"

    @property
    def reads_features(self) -> bool:
        """Whether children read features of the backbone instead of images."""
        return self.frozen or self.features is not None

    @property
    def children(self) -> Networks:
        """The networks that are trained."""
        if self.backbone is None or not self.reads_features:
            return self.networks
        return replace(self.networks, backbone=self.backbone.maps)

    @property
    def normalization(self) -> Normalization:
        """Normalization of images."""
        if self.pretraining is not None:
            return self.pretraining.normalization
        trained = None if self.backbone is None else self.backbone.normalization
        return trained or self.images.normalization()

    @property
    def start(self) -> Mapping[str, np.ndarray]:
        """Weights of the backbone by path."""
        return {} if self.backbone is None else self.backbone.weights

    def start_of_child(self, genotype: Genotype) -> Start:
        """What a child starts from: weights of its backbone, which may be trained now, unless it reads features."""
        if self.pretraining is not None:
            return self.pretraining(genotype)
        return Start({} if self.reads_features else self.start, {})

    @property
    def cost_before(self) -> Cost:
        """Cost of the backbone, if it is not in the plans of `networks`."""
        return Cost() if self.keras is None else self.keras.cost

    @property
    def keras(self) -> KerasBackbone | None:
        """The backbone if it is a Keras model, in front of planned networks that read feature maps."""
        return self.backbone if isinstance(self.backbone, KerasBackbone) else None

    def child(self, plan: Plan, seed: int) -> FlatModel:
        """A child that is to be trained.

        Args:
            plan: of one of `children`.
            seed: of its initial weights.
        """
        if self.keras is not None and not self.reads_features:
            freeze = "norm" if self.networks.frozen_norm else "none"
            with layers_in(self.precision):
                return FlatKerasModel(build_network(plan, self.keras, seed=seed, freeze=freeze))
        return PlannedModel(plan, seed=seed, precision=self.precision)

    def training_data(self) -> TrainingData:
        """The examples of children."""
        if self.features is not None:
            return FeatureData(self.features, self.images, self.annotation)
        data = DeviceData(self.images, self.annotation, self.normalization)
        if not self.frozen:
            return data
        assert self.backbone is not None
        return ComputedFeatures(self.backbone, data)


def set_up(
    config: SearchConfig,
    genotype: Genotype,
    opened: Opened,
    images: ImageData,
    folder: SearchFolder,
    tell: Callable[[str], None] = tell_user,
    *,
    planned: PlannedNetworks | None = None,
    pretraining_images: ImageData | None = None,
) -> ChildSetup:
    """Makes networks and features of a search.

    Args:
        config: of the search.
        genotype: any of its space.
        opened: task and data set.
        images: of the data set.
        folder: of the search.
        tell: called with lines on choices, and before long work.
        planned: the networks, if they are planned already.
        pretraining_images: if they are decoded already.

    Raises:
        UsageError: space, parts, task and data do not fit together.
    """
    networks, named = planned or plan_networks(config, genotype, opened)
    precision = config.training.precision
    networks = networks.on_targets(genotype, lambda: [images.train_targets], tell)
    annotation = opened.source.annotation
    if named is None:
        setup = ChildSetup(images, annotation, networks, precision=precision)
        return _searched_backbone(config, genotype, setup, folder, pretraining_images, tell)
    backbone = load_backbone(named, networks, genotype, tell)
    freeze = opened.task.freeze(config.features.freeze, trained=named.trained)
    networks = replace(networks, frozen_norm=freeze == "norm")
    frozen = freeze == "backbone"
    setup = ChildSetup(images, annotation, networks, backbone, frozen=frozen, precision=precision)
    if config.features.feature_cache == "no":
        return setup
    check_augmentation(config.augmentation)
    root = Path(config.features.feature_dir).expanduser() if config.features.feature_dir else default_root()
    flip = config.augmentation.flip
    features = cached_features(backbone, images, setup.normalization, root, mirrored=flip, tell=tell)
    return replace(setup, features=features)


def _searched_backbone(
    config: SearchConfig,
    genotype: Genotype,
    setup: ChildSetup,
    folder: SearchFolder,
    images: ImageData | None,
    tell: Callable[[str], None],
) -> ChildSetup:
    """The setup of networks whose backbones are searched, with their pretraining; arguments as of `set_up`."""
    settings, networks, data_dir = config.pretraining, setup.networks, config.data.data_dir
    pretraining = make_pretraining(settings, data_dir, networks, genotype, folder.pretrained, images, tell=tell)
    freeze = networks.task.freeze(config.features.freeze, trained=pretraining is not None)
    return replace(setup, networks=replace(networks, frozen_norm=freeze == "norm"), pretraining=pretraining)
