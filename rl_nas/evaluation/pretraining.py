"""Backbones that are trained as classifiers before they are trained for their task, as detectors are in the field."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.child_training import ChildTrainer, evaluate, quick_start, training_steps
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.metrics import quality_of
from rl_nas.networks.plan import Plan
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.files import make_folder, write_bytes
from rl_nas.store.states import pack, unpack
from rl_nas.tasks.networks import Networks

QUALITY = "pretrained_"
"""Prefix of the metric that tells how good a pretrained classifier is."""

_OVERHEAD = 10_000
"""Most bytes of a kept array beside its values."""

_MARGIN = 8
"""Images are enlarged by this part of their side before they are cropped at random: 4 pixels of CIFAR-10's 32."""


class Start(NamedTuple):
    """What the training of a network starts from.

    Attributes:
        weights: by path; the others are random.
        metrics: of the network that they come from.
    """

    weights: Mapping[str, np.ndarray]
    metrics: Mapping[str, float]


class Pretraining:
    """Trains each backbone once, with a seed that follows from the network, and keeps its weights in a folder.

    Attributes:
        images: with classes.
        normalization: of the images, for those of the task too.
    """

    def __init__(
        self,
        classifiers: Networks,
        skeleton: Callable[[Genotype], Skeleton],
        images: ImageData,
        annotation: Annotation,
        training: TrainingSettings,
        folder: Path,
    ) -> None:
        """Computes the normalization.

        Args:
            classifiers: networks for the images.
            skeleton: of the network of the task around a backbone, which is that of the classifier too.
            images: with classes.
            annotation: of their targets.
            training: of the classifiers.
            folder: of the weights, which need not be there yet.
        """
        self.images, self.normalization = images, images.normalization()
        self._classifiers, self._skeleton = classifiers, skeleton
        self._annotation, self._training, self._folder = annotation, training, folder
        self._augmentation = AugmentSettings(flip=True, crop_margin=max(1, min(images.image_shape[:2]) // _MARGIN))
        self._data: DeviceData | None = None
        self._digest: bytes | None = None

    def plan(self, genotype: Genotype) -> Plan:
        """The classifier of a backbone.

        Raises:
            UsageError: the images are too small for it.
        """
        skeleton = replace(self._skeleton(genotype), auxiliary=False)
        steps = training_steps(self._training, len(self.images.train_images))
        return replace(self._classifiers, settings=skeleton).plan(genotype, steps)

    def __call__(self, genotype: Genotype) -> Start:
        """The weights of a backbone, from the folder if they are there, else from a training.

        Raises:
            DivergedError: the loss is not finite.
        """
        plan = self.plan(genotype)
        name = self._name(plan)
        found = self._read(name, plan)
        if found is None:
            found = self._train(plan, int(name, 16))
            self._keep(name, found)
        return found

    def _train(self, plan: Plan, seed: int) -> Start:
        if self._data is None:
            self._data = DeviceData(self.images, self._annotation, self.normalization)
        task, problem, data = self._classifiers.task, self._classifiers.problem, self._data
        model = PlannedModel(plan, seed=seed % 2**31, precision=self._training.precision)
        objective = task.objective(problem)
        with quick_start():
            ChildTrainer(model, objective, data, self._training, self._augmentation, seed % 2**63).train()
            metrics = evaluate(model.infer, data, objective, task.metric(problem))
        quality = quality_of(metrics)
        weights = {variable.path: np.asarray(variable.numpy()) for variable in self._of_backbone(model)}
        return Start(weights, {QUALITY + quality.name: quality.value})

    def _of_backbone(self, model: PlannedModel) -> list[Any]:
        """The variables of a classifier that its task's networks share."""
        head = self._classifiers.task.head(self._classifiers.problem)
        return [variable for variable in model.weights if not variable.path.startswith(head.layers)]

    def _name(self, plan: Plan) -> str:
        """The name of a network's file: equal for what is trained alike on the same images."""
        if self._digest is None:
            whole = hashlib.sha256(repr((self._training, self._augmentation, self.images.class_names)).encode())
            for array in (self.images.train_images, self.images.train_targets, self.images.valid_images):
                whole.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
            self._digest = whole.digest()
        return hashlib.sha256(plan.text().encode() + self._digest).hexdigest()[:24]

    def _read(self, name: str, plan: Plan) -> Start | None:
        """What is kept under a name; None if there is nothing, or anything else than this class writes."""
        shapes = {variable.path: tuple(variable.shape) for variable in self._of_backbone(PlannedModel(plan))}
        most = 2 * sum(4 * math.prod(shape) for shape in shapes.values()) + _OVERHEAD * (len(shapes) + 1)
        try:
            start = Start(**unpack((self._folder / f"{name}.npz").read_bytes(), most))
            ((metric, value),) = start.metrics.items()
            whole = {path: array.shape for path, array in start.weights.items()} == shapes
            finite = all(one.dtype == np.float32 and np.isfinite(one).all() for one in start.weights.values())
            known = metric.startswith(QUALITY) and type(value) is float and math.isfinite(value)
        except Exception:  # the file may be damaged in any way; then the backbone is trained again
            return None
        return start if whole and finite and known else None

    def _keep(self, name: str, start: Start) -> None:
        make_folder(self._folder)
        write_bytes(self._folder / f"{name}.npz", pack(start._asdict()))
