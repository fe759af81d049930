"""Weights of classes in a loss, balanced by their pixels."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.tasks.weight_file import read_weights


class PixelCounts(NamedTuple):
    """Labeled pixels of masks.

    Attributes:
        own: int64 [classes], those of each class.
        around: int64 [classes], those of any class in the masks where it occurs.
    """

    own: np.ndarray
    around: np.ndarray


def class_weights(choice: str, class_names: Sequence[str], counts: PixelCounts) -> tuple[float, ...] | None:
    """The weights that `--class_weights` names.

    Args:
        choice: `none`, `auto`, or the path of a file.
        class_names: of the data set.
        counts: of the training masks, for `auto`.

    Returns:
        One for each class; None for `none`.

    Raises:
        UsageError: the file is broken, or no pixel is labeled.
    """
    if choice == "none":
        return None
    if choice == "auto":
        return balanced_weights(counts)
    return read_weights(Path(choice), class_names)


def count_pixels(masks: Iterable[np.ndarray], classes: int) -> PixelCounts:
    """Counts the pixels of every class.

    Args:
        masks: batches, uint8 [batch, height, width]; pixels that are no class are not counted.
        classes: of the data set.
    """
    own, around = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for mask in (mask for batch in masks for mask in batch):
        counts = np.bincount(mask.ravel(), minlength=classes)[:classes]
        own += counts
        around += np.where(counts > 0, counts.sum(), 0)
    return PixelCounts(own, around)


def balanced_weights(counts: PixelCounts) -> tuple[float, ...]:
    """Weights by median frequency balancing (Eigen and Fergus 2015).

    The frequency of a class is its fraction of the pixels of the images where it occurs; its weight is the median of
    all frequencies over its own. A class without pixels is left out of the median, and weighs 0.

    Raises:
        UsageError: no class has a pixel.
    """
    occurs = counts.own > 0
    if not occurs.any():
        raise UsageError("no pixel of the training masks is labeled; expected masks with classes: check the data set")
    frequencies = counts.own[occurs] / counts.around[occurs]
    weights = np.zeros(len(occurs))
    weights[occurs] = np.median(frequencies) / frequencies
    return tuple(weights.tolist())
