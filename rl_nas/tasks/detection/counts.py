"""Boxes of targets, counted. No TensorFlow."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from rl_nas.tasks.detection.class_choice import PADDING


class BoxCounts(NamedTuple):
    """How many boxes there are.

    Attributes:
        own: to be learned, of each class.
        ignored: neither learned nor measured.
        empty: without an area, which are not used.
        images: in all.
        negatives: images without a box of any kind.
    """

    own: tuple[int, ...]
    ignored: int
    empty: int
    images: int
    negatives: int


def count_boxes(targets: Iterable[Mapping[str, np.ndarray]], classes: int) -> BoxCounts:
    """Counts the boxes of batches of targets, as `box_annotation` describes them.

    Args:
        targets: the batches.
        classes: number of classes.
    """
    own, ignored, empty, images, negatives = np.zeros(classes, np.int64), 0, 0, 0, 0
    for batch in targets:
        labels, ignore = batch["labels"], batch["ignore"]
        is_box = labels != PADDING
        own += np.bincount(labels[is_box & ~ignore], minlength=classes)
        ignored += int(np.count_nonzero(is_box & ignore))
        empty += int(np.count_nonzero(~is_box & (batch["boxes"] != 0).any(-1)))
        images += len(labels)
        negatives += int(np.count_nonzero(~is_box.any(-1)))
    return BoxCounts(tuple(own.tolist()), ignored, empty, images, negatives)
