"""Classification's parts, as most tests want them."""

from collections.abc import Callable
from typing import Any

import keras

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.images import ImageData, load_images
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.training.child_training import evaluate
from rl_nas.networks.plan import Plan
from rl_nas.spaces.catalog import SPACES
from rl_nas.tasks.classification.objective import ClassificationMetric, CrossEntropy
from rl_nas.tasks.classification.settings import ClassificationSettings
from rl_nas.tasks.sources import open_source
from rl_nas.trial import Measurement

BACKBONE_SPACES = [name for name in SPACES if name not in ("dpc", "nas_fpn")]

LABELS = Annotation("image", (), lambda example: example["label"])


def measured(accuracy: float, loss: float = 1.0, **others: Any) -> Measurement:
    return Measurement.of(
        {"accuracy": accuracy, "loss": loss}, **{"parameters": 1, "madds": 1, "epochs": 1, "seconds": 1.0, **others}
    )


def objective(classes: int, **settings: float) -> CrossEntropy:
    return CrossEntropy(ClassificationSettings(**settings), classes)


def image_source(settings: DataSettings) -> ImageSource:
    return open_source(settings).source


def image_data(settings: DataSettings) -> ImageData:
    return load_images(image_source(settings))


def device_data(data: ImageData) -> DeviceData:
    return DeviceData(data, LABELS)


def accuracy_and_loss(infer: Callable[..., Any], data: DeviceData, classes: int) -> tuple[float, float]:
    found = evaluate(infer, data, objective(classes), ClassificationMetric(classes))
    return found["accuracy"], found["loss"]


def logits_model(plan: Plan, **options: Any) -> keras.Model:
    """The Keras model of a plan, from images to logits alone."""
    return only_logits(build_model(plan, **options))


def only_logits(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, model.output["logits"], name=model.name)


def named_logits(model: keras.Model) -> keras.Model:
    """A model of one output with the output that classifiers have."""
    return keras.Model(model.inputs[0], {"logits": model.outputs[0]}, name=model.name)
