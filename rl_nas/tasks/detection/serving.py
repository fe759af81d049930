"""Serving of trained detectors: boxes with their scores and classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.export.serving import Agreement, Serving
from rl_nas.errors import UsageError
from rl_nas.tasks.detection.boxes import LARGEST, VARIANCES, decode
from rl_nas.tasks.detection.outcomes import match
from rl_nas.tasks.detection.predict_settings import SUPPRESSION, Suppression, suppression_text
from rl_nas.tasks.detection.records import Truth, detections
from rl_nas.tasks.detection.suppression import suppress

_CENTRES, _SIZES = "box_centres", "box_sizes"
"""Layers of a model.keras that hold the anchors."""

_SAME = {"float32": 0.98, "float16": 0.98, "int8": 0.8}
"""Least F1 of detections, by arithmetic, with the network's as the truth: suppression turns on small differences."""


@dataclass(frozen=True)
class Detector(Serving):
    """Serves `boxes`, `scores`, `classes` and `count` of the detections of images, in their own pixels.

    Its predictions are `boxes` [batch, A, 4], not clipped, in pixels of the network's image, and `scores` [batch, A,
    classes] of all anchors: formats other than a SavedModel cannot hold the suppression.

    Attributes:
        anchors: float32 [A, 4].
        kept: of the detections.
    """

    anchors: np.ndarray = field(kw_only=True)
    kept: Suppression = field(default_factory=Suppression)

    @property
    @override
    def returns(self) -> str:
        most = self.kept.max_detections
        return (
            f"`boxes` [batch, {most}, 4] (top, left, bottom, right in pixels of the image), `scores` and `classes`"
            f" [batch, {most}], by falling score, and `count` [batch], how many there are"
        )

    @property
    @override
    def extras(self) -> Mapping[str, str]:
        return {SUPPRESSION: suppression_text(self.kept)}

    @override
    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        scores = tf.sigmoid(tf.cast(outputs["scores"], tf.float32))
        return {"scores": scores, "boxes": decode(outputs["boxes"], self.anchors)}

    @override
    def served(self, predictions: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        own = self.image_shape[:2]
        found = suppress(predictions["boxes"], predictions["scores"], own, self.kept)
        factors = tf.tile(tf.cast(size, tf.float32) / tf.constant(own, tf.float32), [2])
        return {**found, "boxes": found["boxes"] * factors}

    @override
    def keras_predictions(self, outputs: Mapping[str, Any]) -> Any:
        middle, size = _middles_and_sizes(self.anchors)
        shifts, logs = outputs["boxes"][:, :, :2], outputs["boxes"][:, :, 2:]
        centres = keras.layers.Rescaling((np.array(VARIANCES[:2]) * size).tolist(), middle.tolist(), name=_CENTRES)(
            shifts
        )
        logs = keras.ops.minimum(keras.layers.Rescaling(list(VARIANCES[2:]))(logs), LARGEST)
        halves = keras.layers.Rescaling((size / 2).tolist(), name=_SIZES)(keras.ops.exp(logs))
        boxes = keras.layers.Concatenate(name="boxes")([centres - halves, centres + halves])
        return {"scores": keras.layers.Activation("sigmoid", name="scores")(outputs["scores"]), "boxes": boxes}

    @override
    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: Any, arithmetic: str
    ) -> Agreement:
        figures, images = {}, len(expected["scores"])
        if "count" not in found:
            sides = max(self.image_shape[:2])
            differences = (found["scores"] - expected["scores"], (found["boxes"] - expected["boxes"]) / sides)
            figures["max_difference"] = float(max(np.abs(one).max() for one in differences))
        same, least = self._agreement(found, expected), _SAME[arithmetic]
        figures["detection_agreement"] = same
        if arithmetic == "float32" and "max_difference" in figures:
            return Agreement(figures, self.too_different(figures["max_difference"], images))
        complaint = (
            f"agrees with the network in {same:.1%} of the detections on {images} images (F1); expected {least:.0%}"
        )
        return Agreement(figures, None if same >= least else complaint)

    @override
    def check(self) -> None:
        anchors, classes = self.network.output["scores"].shape[1:]
        if classes != len(self.class_names):
            raise UsageError(f"the model has {classes} classes; {len(self.class_names)} names were given")
        if anchors != len(self.anchors):
            raise UsageError(f"the model has {anchors} anchors; its training recorded {len(self.anchors)}")

    def _agreement(self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
        """F1 of detections, those of the network being the truth; 1 if there are none at all."""
        ours, theirs = (self._detected(one) for one in (found, expected))
        right = wrong = 0
        for number in range(len(ours["count"])):
            one, other = (detections({name: of[name][number] for name in of}) for of in (ours, theirs))
            truth = Truth(other.boxes, other.classes, np.zeros(len(other.boxes), bool), np.zeros(len(other.boxes)))
            outcomes = match(truth, one)
            right += int(outcomes.right.sum())
            wrong += int(outcomes.false.sum() + outcomes.missed.sum())
        return 2 * right / (2 * right + wrong) if right + wrong else 1.0

    def _detected(self, predictions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if "count" in predictions:
            return dict(predictions)
        found = self.served({name: tf.constant(one) for name, one in predictions.items()}, self.image_shape[:2])
        return {name: one.numpy() for name, one in found.items()}


def anchors_in(model: keras.Model) -> np.ndarray | None:
    """The anchors, float32 [A, 4], in a model that `Detector.keras_predictions` made; None: it is none."""
    layers = {layer.name: layer for layer in model.layers}
    if not {_CENTRES, _SIZES} <= layers.keys():
        return None
    middle, half = np.asarray(layers[_CENTRES].offset), np.asarray(layers[_SIZES].scale)
    return np.concatenate([middle - half, middle + half], axis=-1).astype(np.float32)


def _middles_and_sizes(anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = anchors[:, :2].astype(np.float64), anchors[:, 2:].astype(np.float64)
    return (low + high) / 2, high - low
