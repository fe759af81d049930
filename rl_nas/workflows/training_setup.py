"""Everything that a full training works on: data, task, networks, and the weights that it starts from."""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.source import ImageSource
from rl_nas.child.network.composed import build_network
from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_backbone import KerasBackbone
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.devices import layers_in
from rl_nas.child.training.tf_config import worker_index
from rl_nas.child.training.transfer import freeze, start_from
from rl_nas.errors import UsageError
from rl_nas.evaluation.averaged_views import AveragedViews
from rl_nas.evaluation.pretraining import Pretraining
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.features import Head
from rl_nas.networks.genotypes import load
from rl_nas.networks.layer import Cost
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import tell_user
from rl_nas.tasks.task import Problem, Task
from rl_nas.workflows.auxiliary import with_fitting_auxiliary
from rl_nas.workflows.backbone import load_backbone
from rl_nas.workflows.config import TrainConfig
from rl_nas.workflows.networks import NamedBackbone, make_networks
from rl_nas.workflows.pretraining import check_pretraining, make_pretraining
from rl_nas.workflows.run_config import without_unread
from rl_nas.workflows.run_data import open_data


@dataclass(frozen=True)
class TrainingSetup:
    """Data and network of a training.

    Attributes:
        config: of the training, with the task that was found.
        genotype: that is trained.
        source: the data set.
        pipeline: its images.
        networks: with the other parts.
        backbone: that the genotype does not describe; None: it does.
        test_split: for the final measurement; None: there is none.
        views: further final measurements; None: none are asked for.
        pretraining: of the backbone that the genotype describes; None: there is none.
    """

    config: TrainConfig
    genotype: Genotype
    source: ImageSource
    pipeline: InputPipeline
    networks: Networks
    backbone: NamedBackbone | None
    test_split: str | None
    views: AveragedViews | None
    pretraining: Pretraining | None = None

    @property
    def task(self) -> Task:
        """The task."""
        return self.networks.task

    @property
    def problem(self) -> Problem:
        """The task on the data set."""
        return self.networks.problem

    @property
    def head(self) -> Head:
        """The head of the network."""
        return self.networks.head(self.genotype)

    @property
    def keras_backbone(self) -> KerasBackbone | None:
        """The backbone if it is a Keras model."""
        return None if self.backbone is None else self.backbone.keras

    @property
    def freeze(self) -> str:
        """What is not trained: none, norm or backbone."""
        start, backbone = self.config.start, self.backbone
        trained = start.init is not None or self.pretraining is not None or (backbone is not None and backbone.trained)
        return self.task.freeze(start.freeze, trained=trained)

    @property
    def cost(self) -> Cost:
        """Cost of the whole network at inference."""
        of_backbone = Cost() if self.keras_backbone is None else self.keras_backbone.cost
        return self.networks.plan(self.genotype).cost() + of_backbone

    def network(self, training_steps: int | None = None, **options: Any) -> keras.Model:
        """The network, for a training of that many train steps or (None) for inference; options of `build_network`."""
        return build_network(self.networks.plan(self.genotype, training_steps), self.keras_backbone, **options)

    def trained_network(self, training_steps: int) -> Callable[[], FlatModel]:
        """Makes the network for a training of so many train steps; to be called under the strategy of its devices."""
        plan = freeze(self.networks.plan(self.genotype, training_steps), self.freeze, self.head)
        seed, precision = self.config.run.seed, self.config.training.precision
        if self.keras_backbone is None:
            return lambda: PlannedModel(plan, seed=seed, precision=precision)
        with layers_in(precision):
            model = build_network(plan, self.keras_backbone, seed=seed, freeze=self.freeze)
        return lambda: FlatKerasModel(model)

    def facts(self) -> dict[str, Any]:
        """Facts of the data that must not change when a training is continued."""
        facts = {
            "classes": list(self.source.class_names),
            "train_images": self.pipeline.train_images,
            "valid_images": self.pipeline.size("valid"),
        }
        if self.problem.facts:  # such as anchors, without which the weights mean something else
            facts["targets"] = _digest(self.problem.facts)
        return facts

    def start(self, training_steps: int) -> tuple[Mapping[str, np.ndarray], Normalization | None]:
        """The trained weights that the flags name by path, if any, and the normalization of their images.

        Args:
            training_steps: of the training; an auxiliary head may have weights, too.
        """
        start = self.config.start
        if start.init is not None:
            model = self.network(training_steps, seed=self.config.run.seed)
            started = start_from(start, model, self.networks.skeleton(self.genotype), self.head)
            return {variable.path: variable.numpy() for variable in model.weights}, started.normalization
        if self.keras_backbone is not None:
            return {}, self.keras_backbone.normalization  # the network has its weights
        if self.pretraining is not None:
            return {}, self.pretraining.normalization  # its weights are trained when the run has its folder
        if self.backbone is None or self.backbone.file is None:
            return {}, None
        backbone = load_backbone(self.backbone, self.networks, self.genotype)
        return backbone.weights, backbone.normalization


def set_up_training(config: TrainConfig, genotype: Genotype, asked: Collection[str] = ()) -> TrainingSetup:
    """Opens the data set and makes the networks.

    Args:
        config: of the training.
        genotype: to be trained.
        asked: names of the flags that the command line itself gives.

    Raises:
        UsageError: data, task, genotype and other parts do not fit together.
    """
    settings = config.run
    if config.start.init is not None:
        _check_same_genotype(config.start.init, genotype)
    config, (task, source) = open_data(config)
    config.check_task(task)
    task.check(config.problem(task, source.class_names))
    if config.pipeline.mixup:
        task.require("mixup", f"--mixup={config.pipeline.mixup:g}")
    config = replace(config, task=replace(config.task, task=config.task.task or task.name), data=source.settings)
    test_split = source.test_split if settings.final_test else None
    if settings.final_test and test_split is None:
        tell_user(source.without_test)
    pipeline = InputPipeline(source, config.pipeline, settings.seed)
    if test_split:
        source.check_targets(test_split, "leave it out with --nofinal_test")
    problem = config.problem(task, source.class_names)
    if settings.resume and config.parts.backbone is None:
        config = replace(config, network=without_unread(config.network, genotype, task.head(problem)))
    what = f"--genotype={settings.genotype}"
    if config.pretraining.epochs:
        _check_pretraining(config, task, what, genotype)
    networks, backbone = make_networks(task, problem, genotype, what, config.flags(), source.shape, preset="cifar")
    # Planned before targets are counted.
    networks = with_fitting_auxiliary(networks, [lambda: genotype], asked="auxiliary" in asked, tell=tell_user)
    if isinstance(networks.settings, NetworkSettings):
        config = replace(config, network=networks.settings)
    networks = networks.on_targets(genotype, pipeline.train_targets, tell_user)
    if config.start.init is not None and backbone is not None and backbone.file is not None:
        raise UsageError(
            f"--init={config.start.init} and --backbone={backbone.name} both bring weights of the backbone;"
            " leave out --init, or give the backbone's genotype alone, with its sizes"
        )
    pretraining = None
    if config.pretraining.epochs:
        first = worker_index(config.devices) == 0  # others train the same, but write elsewhere
        home = Path(settings.run_dir or "") if first else Path(tempfile.mkdtemp())
        weights, data_dir = TrainingFolder(home).pretrained, config.data.data_dir
        pretraining = make_pretraining(config.pretraining, data_dir, networks, genotype, weights, tell=tell_user)
    keras_backbone, views = None if backbone is None else backbone.keras, None
    if config.evaluation.asked:
        views = AveragedViews(config.evaluation, networks, genotype, keras_backbone)
    return TrainingSetup(config, genotype, source, pipeline, networks, backbone, test_split, views, pretraining)


def _digest(facts: Mapping[str, Any]) -> str:
    """A name that equal facts about the training targets share."""
    digest = hashlib.sha256()
    for name, value in sorted(facts.items()):
        array = np.asarray(value)
        digest.update(repr((name, array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _check_same_genotype(init: str, genotype: Genotype) -> None:
    """Raises `UsageError` if the folder that a training starts from trained another genotype."""
    path = Path(init) if Path(init).is_dir() else Path(init).parent
    other = path / "genotype.json"
    if other.exists() and load(other).canonical_key() != genotype.canonical_key():
        raise UsageError(f"--init={init} is a network of another genotype; give --genotype={other}")


def _check_pretraining(config: TrainConfig, task: Task, what: str, genotype: Genotype) -> None:
    """Raises `UsageError` if a pretraining would have no effect."""
    check_pretraining(config.pretraining, task, what, is_backbone=family_of(genotype).part == BACKBONE)
    if config.start.init is not None:
        raise UsageError(
            f"--init={config.start.init} and --pretrain_epochs={config.pretraining.epochs} both bring weights of the"
            " backbone; leave one of them out"
        )
