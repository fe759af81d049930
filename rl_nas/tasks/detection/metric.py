"""Average precision of detections over a split."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.coco import Detections, Truth, average_precisions, check_tools


class DetectionMetric:
    """COCO's figures over a split (see `average_precisions`), in pixels of the original images.

    `mAP`, 0 to 1, is the quality; `loss` is the mean over images. Images come in the order of the batches, which
    matters only between equal scores.
    """

    def __init__(self, class_names: Sequence[str], image_size: tuple[int, int]) -> None:
        """Checks that COCO's figures can be computed.

        Args:
            class_names: one for each class.
            image_size: height and width of the network's images.

        Raises:
            UsageError: the package for it is not installed.
        """
        check_tools()
        self._names, self._image_size = tuple(class_names), np.array(image_size, np.float64)
        self._truths: list[Truth] = []
        self._detections: list[Detections] = []
        self._losses: list[float] = []

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        """Adds a batch.

        Args:
            evidence: `boxes` [batch, M, 4], `scores` [batch, M], `classes` [batch, M] and `count` [batch] of
                detections, and `true_boxes` [batch, N, 4], in pixels of the network's images; `true_labels`
                [batch, N], -1 for none; `ignore` [batch, N]; `area` [batch, N], in pixels of the original image;
                `size` [batch, 2], height and width of that; `weight` [batch], 0 for images that only fill up the
                batch; `loss`, the sum over the others.
        """
        for number in np.flatnonzero(evidence["weight"]):
            one = {name: values[number] for name, values in evidence.items() if name != "loss"}
            factors = np.tile(one["size"] / self._image_size, 2)
            labeled = one["true_labels"] >= 0
            true = (one[name][labeled] for name in ("true_labels", "ignore", "area"))
            self._truths.append(Truth(one["true_boxes"][labeled] * factors, *true))
            self._detections.append(_detections(one, factors))
        self._losses.append(float(evidence["loss"]))

    def result(self) -> dict[str, float]:
        """The figures.

        Raises:
            UsageError: no image holds a box that is to be found.
        """
        found = average_precisions(self._truths, self._detections, self._names)
        if not found:
            raise UsageError(
                f"none of the {len(self._truths)} measured images has a box that is to be found; expected boxes: check"
                " the split"
            )
        main = {name: value for name, value in found.items() if "/" not in name}
        return {**main, "loss": math.fsum(self._losses) / len(self._truths), **found}


def _detections(one: Mapping[str, np.ndarray], factors: np.ndarray) -> Detections:
    """Those of an image, without what a diverged network gives: COCO's tools would match boxes that are not numbers."""
    boxes, scores, classes = (one[name][: one["count"]] for name in ("boxes", "scores", "classes"))
    finite = np.isfinite(boxes).all(axis=-1) & np.isfinite(scores)
    return Detections(boxes[finite] * factors, scores[finite], classes[finite])
