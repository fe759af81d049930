"""True boxes and detections of single images, as arrays without padding."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Truth(NamedTuple):
    """The true boxes of an image.

    Attributes:
        boxes: float64 [N, 4]: top, left, bottom, right in pixels.
        labels: int [N], numbers of classes.
        ignore: bool [N]: need not be found, and detections inside of them count for nothing, as COCO's crowds.
        area: float [N], in pixels of the original image.
    """

    boxes: np.ndarray
    labels: np.ndarray
    ignore: np.ndarray
    area: np.ndarray


class Detections(NamedTuple):
    """What was found in an image.

    Attributes:
        boxes: float64 [M, 4]: top, left, bottom, right in pixels.
        scores: float [M], 0 to 1.
        classes: int [M].
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def at(self, places: np.ndarray) -> "Detections":
        """Those at places, given by a mask or by numbers."""
        return Detections(*(values[places] for values in self))

    def above(self, score: float) -> "Detections":
        """Those with at least a score."""
        return self.at(self.scores >= score)


def true_boxes(target: Mapping[str, Any], factors: np.ndarray | float = 1) -> Truth:
    """The boxes of a target.

    Args:
        target: `boxes` [N, 4], `labels` [N], -1 for padding, `ignore` [N], `area` [N].
        factors: by which boxes are multiplied, a number or [4].
    """
    boxes, *others = (np.asarray(target[name]) for name in ("boxes", "labels", "ignore", "area"))
    real = others[0] >= 0
    return Truth(boxes[real].astype(np.float64) * factors, *(values[real] for values in others))


def detections(outputs: Mapping[str, Any], factors: np.ndarray | float = 1) -> Detections:
    """The detections in outputs, without what a diverged network gives: numbers that are none.

    COCO's tools would match boxes of NaN with everything.

    Args:
        outputs: `boxes` [M, 4], `scores` [M], `classes` [M]; the first `count` hold something.
        factors: by which boxes are multiplied, a number or [4].
    """
    boxes, scores, classes = (np.asarray(outputs[name])[: outputs["count"]] for name in ("boxes", "scores", "classes"))
    finite = np.isfinite(boxes).all(axis=-1) & np.isfinite(scores)
    return Detections(boxes[finite].astype(np.float64) * factors, scores[finite], classes[finite])
