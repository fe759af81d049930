"""Intersection over union of masks."""

from collections.abc import Mapping, Sequence

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.store.class_results import ClassResults, confusion_results


class SegmentationMetric:
    """The figures of masks over a split, from the confusion matrix of all its labeled pixels.

    - `mIoU`, 0 to 1: mean of `IoU` over the classes that targets or predictions hold.
    - `pixel_accuracy`: fraction of the pixels that are right.
    - `loss`: mean cross-entropy of a pixel, nats.
    - `IoU/NAME`: pixels of the class that are predicted as such, over those that are either (Everingham et al.
      2010); 0 if it is only predicted. A class that neither targets nor predictions hold has none. If two
      classes have the same name, all are called `IoU/NUMBER NAME`.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = tuple(class_names)
        unique = len(set(class_names)) == len(class_names)
        self._names = [f"IoU/{name}" if unique else f"IoU/{number} {name}" for number, name in enumerate(class_names)]
        self._confusion = np.zeros([len(class_names)] * 2, np.int64)
        self._loss = 0.0

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        """Adds the confusion matrix and the sum of losses of a batch."""
        self._confusion += evidence["confusion"]
        self._loss += float(evidence["loss"])

    def result(self) -> dict[str, float]:
        """The figures.

        Raises:
            UsageError: no pixel is labeled.
        """
        pixels = int(self._confusion.sum())
        if not pixels:
            raise UsageError("no pixel of the measured masks is labeled; expected masks with classes: check the split")
        right = np.diagonal(self._confusion)
        union = self._confusion.sum(axis=0) + self._confusion.sum(axis=1) - right
        ious = {self._names[number]: float(right[number] / union[number]) for number in np.flatnonzero(union)}
        return {
            "mIoU": float(np.mean(list(ious.values()))),
            "pixel_accuracy": float(right.sum() / pixels),
            "loss": self._loss / pixels,
            **ious,
        }

    def of_classes(self) -> ClassResults:
        """Labeled pixels of each class, and the classes that they are taken for."""
        actual, predicted = np.nonzero(self._confusion)
        return confusion_results("pixels", self._class_names, actual, predicted, self._confusion[actual, predicted])
