"""Pretraining of searched backbones, from flags to its data set and networks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rl_nas.child.data.images import ImageData, load_images
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.pretraining import Pretraining
from rl_nas.evaluation.settings import PretrainSettings
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import open_source
from rl_nas.tasks.task import Task

_WEIGHT_DECAY = 5e-4

_OWN_FLAGS = {"image_size": "image_size", "train_images": "images"}
"""Flags of data sets that messages advise -> what they are called here."""


def check_pretraining(settings: PretrainSettings, task: Task, what: str, *, is_backbone: bool) -> None:
    """Raises `UsageError` if a pretraining is missing, or asked for where it has no effect.

    Args:
        settings: the flags.
        task: of the networks.
        what: the flag that gives the genotype, or its space.
        is_backbone: whether that describes a backbone.
    """
    if settings.epochs and not is_backbone:
        raise UsageError(
            f"--pretrain_epochs={settings.epochs}: {what} describes no backbone, and that of --backbone brings its own"
            " weights; leave it out"
        )
    if is_backbone and settings.epochs is None and task.needs_pretraining:
        raise UsageError(
            f"--pretrain_epochs is missing: {task.noun}s on untrained backbones find little; give"
            f" epochs of classification on --pretrain_dataset={settings.dataset}, or 0 to train from random weights"
        )


def make_pretraining(
    settings: PretrainSettings,
    data_dir: str | None,
    networks: Networks,
    genotype: Genotype,
    default_folder: Path,
    images: ImageData | None = None,
    *,
    tell: Callable[[str], None],
) -> Pretraining | None:
    """Opens the data set of the pretraining; None if there is none.

    Args:
        settings: the flags.
        data_dir: of prepared data sets.
        networks: whose genotypes are backbones.
        genotype: any of them.
        default_folder: of the weights, unless a flag names another one.
        images: of its data set, if they are decoded already.
        tell: called with lines for the user.

    Raises:
        UsageError: the data set is absent, or its images do not fit to the networks.
    """
    if not settings.epochs:
        return None
    data = DataSettings(
        settings.dataset,
        data_dir,
        train_images=settings.images,
        stratify="no",  # what it holds out is no measurement, and the images of earlier runs stay
        image_size=settings.image_size,
    )
    try:
        opened = open_source(data, Classification.name, tell=tell)
        decoded = images or load_images(opened.source)
        problem = opened.task.problem(opened.source.class_names)
        shape = opened.source.shape
        if shape[2] != networks.image_shape[2]:
            raise UsageError(f"its images have {shape[2]} channels, those of the task {networks.image_shape[2]}")
        classifiers = Networks(opened.task, replace(problem, image_size=shape[:2]), networks.settings, shape)
        training = TrainingSettings(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            nesterov=True,
            weight_decay=_WEIGHT_DECAY,
        )
        folder = Path(settings.dir).expanduser() if settings.dir else default_folder
        pretraining = Pretraining(classifiers, networks.skeleton, decoded, opened.source.annotation, training, folder)
        pretraining.plan(genotype)
    except UsageError as error:
        text = str(error)
        for name, own in _OWN_FLAGS.items():
            text = text.replace(f"--{name}", f"--{settings.prefix}{own}")
        raise UsageError(f"--pretrain_dataset={settings.dataset}: {text}") from error
    return pretraining
