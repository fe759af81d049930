"""What became of the detections and the true boxes of one image."""

from typing import NamedTuple

import numpy as np

from rl_nas.tasks.detection.overlaps import covered, ious
from rl_nas.tasks.detection.records import Detections, Truth

IOU = 0.5
"""Intersection over union from which a detection is right (Everingham et al. 2010, The PASCAL VOC challenge)."""


class Outcomes(NamedTuple):
    """Which detections are right, and which boxes were found.

    Attributes:
        right: detections of a true box, bool [M].
        false: those of none, bool [M]; detections in ignored boxes are neither.
        found: true boxes with a detection, bool [N].
        missed: those without one, bool [N]; ignored boxes are neither.
    """

    right: np.ndarray
    false: np.ndarray
    found: np.ndarray
    missed: np.ndarray

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the fraction of right detections and that of found boxes; None without any of both."""
        counted = 2 * self.right.sum() + self.false.sum() + self.missed.sum()
        return float(2 * self.right.sum() / counted) if counted else None


def match(truth: Truth, detections: Detections) -> Outcomes:
    """Matches as COCO does at one threshold.

    Detections choose by falling scores, each the box of its class that it overlaps most among those that are left; if
    it overlaps none by `IOU`, an ignored box that holds as large a part of it.
    """
    same = detections.classes[:, np.newaxis] == truth.labels
    overlaps = np.where(same & ~truth.ignore, ious(detections.boxes, truth.boxes), 0)
    ignored = np.where(same & truth.ignore, covered(detections.boxes, truth.boxes), 0)
    right, false, found = (np.zeros(count, bool) for count in (len(same), len(same), len(truth.boxes)))
    for number in np.argsort(-detections.scores, kind="stable"):
        left = np.where(found, 0, overlaps[number])
        if left.max(initial=0) >= IOU:
            right[number] = found[left.argmax()] = True
        else:
            false[number] = ignored[number].max(initial=0) < IOU
    return Outcomes(right, false, found, ~found & ~truth.ignore)
