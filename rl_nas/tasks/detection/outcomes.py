"""What became of the detections and the true boxes of one image."""

from typing import NamedTuple

import numpy as np

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
    shape = len(detections.boxes), len(truth.boxes)
    same = detections.classes[:, np.newaxis] == truth.labels
    inside, areas = _intersections(detections.boxes, truth.boxes), [_areas(one.boxes) for one in (detections, truth)]
    unions = areas[0][:, np.newaxis] + areas[1] - inside
    overlaps = np.where(same & ~truth.ignore, _ratio(inside, unions), 0)
    covered = np.where(same & truth.ignore, _ratio(inside, np.broadcast_to(areas[0][:, np.newaxis], shape)), 0)
    right, false, found = np.zeros(shape[0], bool), np.zeros(shape[0], bool), np.zeros(shape[1], bool)
    for number in np.argsort(-detections.scores, kind="stable"):
        left = np.where(found, 0, overlaps[number])
        if left.max(initial=0) >= IOU:
            right[number] = found[left.argmax()] = True
        else:
            false[number] = covered[number].max(initial=0) < IOU
    return Outcomes(right, false, found, ~found & ~truth.ignore)


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1)
    return areas


def _intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Areas that boxes share: [N, 4], [M, 4] -> [N, M]."""
    low = np.maximum(first[:, np.newaxis, :2], second[:, :2])
    high = np.minimum(first[:, np.newaxis, 2:], second[:, 2:])
    areas: np.ndarray = np.prod(np.maximum(high - low, 0), axis=-1)
    return areas


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
