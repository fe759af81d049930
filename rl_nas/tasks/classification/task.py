"""Image classification as a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.settings import Settings
from rl_nas.tasks.classification.display import ClassDisplay
from rl_nas.tasks.classification.head import ClassificationHead
from rl_nas.tasks.classification.predictor import ClassPredictor
from rl_nas.tasks.classification.settings import CROSS_ENTROPY, QUALITY_NAMES, ClassificationSettings
from rl_nas.tasks.task import Problem, Task
from rl_nas.tasks.weight_file import read_weights

if TYPE_CHECKING:
    import keras

    from rl_nas.child.data.annotation import Annotation
    from rl_nas.child.data.normalization import Normalization
    from rl_nas.tasks.classification.folder import ClassFolder
    from rl_nas.tasks.classification.objective import ClassificationMetric, CrossEntropy
    from rl_nas.tasks.classification.serving import Classifier


_WEIGHTS = "class_weights"
"""Fact about the training targets."""


class Classification(Task):
    """One class for each image; accuracy on held-out images is the quality."""

    name: ClassVar[str] = "classification"
    noun: ClassVar[str] = "image classifier"
    settings: ClassVar[tuple[type[Settings], ...]] = (ClassificationSettings,)
    supports: ClassVar[frozenset[str]] = frozenset(
        {"one_shot", "mixup", "parameters", "gradient_norm", "synflow", "naswot", "jacov"}
    )
    layouts: ClassVar[str] = (
        "CLASS/NAME.jpg of two classes or more, or train/CLASS/NAME.jpg with val and test beside it"
    )

    @override
    def folder(self, path: str, flags: Mapping[str, Any]) -> ClassFolder | None:
        from rl_nas.tasks.classification.folder import class_folder

        return class_folder(path, trust=bool(flags.get("trust")))

    @override
    def annotation(
        self, features: Mapping[str, Any], supervised: Sequence[str], flags: Mapping[str, Any]
    ) -> Annotation | None:
        from rl_nas.tasks.classification.labels import labels_of

        return labels_of(features, supervised)

    @override
    def check(self, problem: Problem) -> None:
        settings = problem.of(ClassificationSettings)
        if ":" not in settings.loss and settings.loss != CROSS_ENTROPY:
            raise UsageError(
                f"--loss={settings.loss} is for masks; expected {CROSS_ENTROPY}, or module:NAME of your own"
            )
        if {CROSS_ENTROPY, *QUALITY_NAMES} >= {settings.loss, settings.metric}:
            return
        from rl_nas.tasks.classification.objective import own_loss, own_quality

        own_loss(settings, problem.classes)
        own_quality(settings, problem.classes)

    @override
    def on_targets(
        self, problem: Problem, targets: Callable[[], Iterable[Any]], tell: Callable[[str], None]
    ) -> Problem:
        choice = problem.of(ClassificationSettings).class_weights
        if choice == "none":
            return problem
        if choice != "auto":
            return replace(problem, facts={_WEIGHTS: read_weights(Path(choice), problem.class_names)})
        counts = sum(np.bincount(batch, minlength=problem.classes) for batch in targets())
        return replace(problem, facts={_WEIGHTS: balanced_weights(np.asarray(counts))})

    @override
    def head(self, problem: Problem) -> ClassificationHead:
        return ClassificationHead(problem.classes)

    @override
    def objective(self, problem: Problem) -> CrossEntropy:
        from rl_nas.tasks.classification.objective import CrossEntropy

        return CrossEntropy(problem.of(ClassificationSettings), problem.classes, problem.facts.get(_WEIGHTS))

    @override
    def metric(self, problem: Problem) -> ClassificationMetric:
        from rl_nas.tasks.classification.objective import ClassificationMetric, own_quality

        settings = problem.of(ClassificationSettings)
        own = own_quality(settings, problem.classes)
        loss = "loss" if settings.loss == CROSS_ENTROPY else CROSS_ENTROPY
        return ClassificationMetric(problem.classes, settings.metric, problem.class_names, own, loss=loss)

    @override
    def serving(
        self, problem: Problem, network: keras.Model, normalization: Normalization, *, middle: bool = False
    ) -> Classifier:
        from rl_nas.tasks.classification.serving import Classifier

        return Classifier(self.name, network, normalization, problem.class_names, middle)

    @override
    def prediction(self, outputs: Mapping[str, Any], class_names: Sequence[str], top: int) -> tuple[str, Any]:
        probabilities = outputs["probabilities"]
        likely = [
            {"class": class_names[number], "probability": float(probabilities[number])}
            for number in (-probabilities).argsort()[:top]
        ]
        return "  ".join(f"{one['class']} {one['probability']:.4f}" for one in likely), likely

    @override
    def display(self, class_names: Sequence[str], extras: Mapping[str, str]) -> ClassDisplay:
        return ClassDisplay(class_names)

    @override
    def predictor(
        self, class_names: Sequence[str], extras: Mapping[str, str], flags: Mapping[str, Any]
    ) -> ClassPredictor:
        return ClassPredictor(class_names)


def balanced_weights(counts: np.ndarray) -> tuple[float, ...]:
    """Weights that are 1 on average over the images, and in sum equal for all classes that have images.

    Args:
        counts: training images of each class, int [classes]; classes without one weigh 0.
    """
    occurs = counts > 0
    weights = np.zeros(len(counts))
    weights[occurs] = counts.sum() / (occurs.sum() * counts[occurs])
    return tuple(weights.tolist())
