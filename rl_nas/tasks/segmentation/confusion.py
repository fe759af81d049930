"""Confusion matrices of single masks, without TensorFlow."""

from collections.abc import Sequence

import numpy as np

from rl_nas.tasks.segmentation.metric import SegmentationMetric

_LOSS = "loss"


def confusion(target: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Labeled pixels by target (rows) and prediction (columns): int64 [classes, classes].

    Args:
        target: uint8, IGNORE among its class numbers.
        predicted: uint8 of the same shape.
        classes: how many.
    """
    labeled = target < classes
    cells = target[labeled].astype(np.int64) * classes + predicted[labeled]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def figures(matrix: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """The metrics of `SegmentationMetric` but for the loss; none if no pixel is labeled."""
    if not matrix.any():
        return {}
    metric = SegmentationMetric(class_names)
    metric.add({"confusion": matrix, _LOSS: np.zeros(())})
    return {name: value for name, value in metric.result().items() if name != _LOSS}
