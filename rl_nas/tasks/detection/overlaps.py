"""Overlaps of boxes of single images. No TensorFlow."""

import numpy as np

from rl_nas.tasks.detection.records import Detections


def intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Areas that boxes have in common: [N, 4], [M, 4] -> [N, M]."""
    low = np.maximum(first[:, np.newaxis, :2], second[:, :2])
    high = np.minimum(first[:, np.newaxis, 2:], second[:, 2:])
    common: np.ndarray = np.prod(np.maximum(high - low, 0), axis=-1)
    return common


def areas(boxes: np.ndarray) -> np.ndarray:
    """Of boxes [N, 4]: [N]."""
    found: np.ndarray = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1)
    return found


def ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersections over unions, 0 where both are empty: [N, 4], [M, 4] -> [N, M]."""
    common = intersections(first, second)
    return ratio(common, areas(first)[:, np.newaxis] + areas(second) - common)


def covered(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Fraction of each of the first boxes that lies in each of the second, 0 of empty ones: [N, M]."""
    return ratio(intersections(first, second), areas(first)[:, np.newaxis])


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The part by the whole, 0 where that is 0."""
    found: np.ndarray = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
    return found


def suppressed(found: Detections, iou: float) -> Detections:
    """Leaves out detections that overlap a surer one of their class.

    Args:
        found: by falling scores.
        iou: intersection over union above which two are one.
    """
    close = (ious(found.boxes, found.boxes) > iou) & (found.classes[:, np.newaxis] == found.classes)
    kept = np.ones(len(close), bool)
    for number, others in enumerate(close):
        if kept[number]:
            kept[number + 1 :] &= ~others[number + 1 :]
    return found.at(kept)
