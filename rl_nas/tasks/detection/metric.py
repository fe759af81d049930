"""Average precision of detections over a split."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.store.class_results import ClassCounts, ClassResults
from rl_nas.tasks.detection.coco import at_half, averages, check_tools, precisions
from rl_nas.tasks.detection.records import Detections, Truth, detections, true_boxes

_TARGET = {"boxes": "true_boxes", "labels": "true_labels", "ignore": "ignore", "area": "area"}
"""Names in targets -> in evidence."""


class DetectionMetric:
    """COCO's figures over a split (see `averages`), in pixels of the original images.

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
            factors = np.tile(evidence["size"][number] / self._image_size, 2)
            target = {name: evidence[source][number] for name, source in _TARGET.items()}
            outputs = {name: evidence[name][number] for name in ("boxes", "scores", "classes", "count")}
            self._truths.append(true_boxes(target, factors))
            self._detections.append(detections(outputs, factors))
        self._losses.append(float(evidence["loss"]))

    def result(self) -> dict[str, float]:
        """The figures.

        Raises:
            UsageError: no image holds a box that is to be found.
        """
        self._precision = precisions(self._truths, self._detections, len(self._names))
        found = averages(self._precision, self._names)
        if not found:
            raise UsageError(
                f"none of the {len(self._truths)} measured images has a box that is to be found; expected boxes: check"
                " the split"
            )
        main = {name: value for name, value in found.items() if "/" not in name}
        return {**main, "loss": math.fsum(self._losses) / len(self._truths), **found}

    def of_classes(self) -> ClassResults:
        """Boxes of each class that are to be found, and the precision at an intersection over union of 0.5."""
        labels = np.concatenate([truth.labels[~truth.ignore] for truth in self._truths])
        boxes = np.bincount(labels, minlength=len(self._names)).tolist()
        classes = (
            ClassCounts(name, boxes[number], precision=at_half(self._precision, number))
            for number, name in enumerate(self._names)
        )
        return ClassResults("boxes", tuple(classes))
