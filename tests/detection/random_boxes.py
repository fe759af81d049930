"""Random boxes of tests."""

import numpy as np


def random_boxes(rng: np.random.Generator, *shape: int, within: float = 100.0, whole: bool = False) -> np.ndarray:
    """Boxes [..., 4] with an area, float32; of whole pixels if asked for."""
    low = rng.uniform(0, 0.8 * within, (*shape, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 0.6 * within, (*shape, 2))], axis=-1)
    return (np.ceil(boxes) if whole else boxes).astype(np.float32)


def iou_of(one: np.ndarray, other: np.ndarray) -> float:
    """IoU of two boxes, in float64."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    common = np.prod(np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0))
    union = np.prod(np.maximum(one[2:] - one[:2], 0)) + np.prod(np.maximum(other[2:] - other[:2], 0)) - common
    return float(common / union) if union else 0.0
