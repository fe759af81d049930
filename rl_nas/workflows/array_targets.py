"""Targets of a Python program as features of TFDS: classes, or masks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from rl_nas.errors import UsageError

_IGNORE = 255
"""Value in masks of pixels that do not count."""


def feature_of(
    targets: np.ndarray, shapes: set[tuple[int, ...]], class_names: Sequence[str] | None
) -> tuple[str, Any, np.ndarray]:
    """The feature that holds targets: its name, itself, and the values of all examples.

    Args:
        targets: of all examples; classes, or masks of the images' sizes.
        shapes: of the images: height, width, channels.
        class_names: one for each class; None: texts name themselves, or classes have their numbers.

    Raises:
        UsageError: they are neither.
    """
    if targets.ndim > 2:
        return "segmentation_mask", *_masks(targets, shapes, class_names)
    return "label", *_labels(targets, class_names)


def _labels(targets: np.ndarray, class_names: Sequence[str] | None) -> tuple[Any, np.ndarray]:
    """The feature of classes, and these as numbers: given as such, in a column, one-hot, or as texts."""
    if targets.ndim == 2 and targets.shape[1] > 1:
        one_hot = np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all()
        if not one_hot:
            raise UsageError(f"targets of shape {list(targets.shape)} are not one-hot; expected one class an image")
        targets = targets.argmax(axis=1)
    targets = targets.reshape(len(targets))
    if targets.dtype.kind in "USO":
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in targets.tolist()]
        names = sorted(set(texts)) if class_names is None else list(class_names)
        if unknown := sorted(set(texts) - set(names)):
            raise UsageError(f"target {unknown[0]!r} is none of class_names {', '.join(names)}")
        numbers = {name: number for number, name in enumerate(names)}
        return tfds.features.ClassLabel(names=names), np.array([numbers[text] for text in texts])
    classes = _whole(targets, class_names)
    return _named(tfds.features.ClassLabel, classes.max(), class_names, "num_classes", "names"), classes


def _masks(
    targets: np.ndarray, shapes: set[tuple[int, ...]], class_names: Sequence[str] | None
) -> tuple[Any, np.ndarray]:
    """The feature of masks, and these as uint8 [examples, height, width, 1]."""
    height, width = targets.shape[1:3]
    if {shape[:2] for shape in shapes} != {(height, width)} or targets.shape[3:] not in ((), (1,)):
        raise UsageError(
            f"targets of shape {list(targets.shape)} are neither classes nor masks of the images' size; boxes come as"
            " a folder, in a layout of detection"
        )
    masks = _whole(targets.reshape(*targets.shape[:3], 1), class_names, _IGNORE)
    if masks.max() > _IGNORE:
        raise UsageError(
            f"masks have value {masks.max()}; expected class numbers of 0 to {_IGNORE}, the latter ignored"
        )
    most = int(masks[masks != _IGNORE].max(initial=0))

    def feature(**classes: Any) -> Any:
        return tfds.features.LabeledImage(shape=(height, width, 1), **classes)

    return _named(feature, most, class_names, "labels", "labels"), masks.astype(np.uint8)


def _whole(targets: np.ndarray, class_names: Sequence[str] | None, ignore: int | None = None) -> np.ndarray:
    """Class numbers as int64, which are whole and have names if there are any."""
    if targets.dtype.kind not in "iufb" or np.any(targets < 0) or np.any(targets != np.rint(targets)):
        raise UsageError(f"targets such as {np.ravel(targets)[:3].tolist()}; expected class numbers, from 0, or texts")
    classes = targets.astype(np.int64)
    counted = classes if ignore is None else classes[classes != ignore]
    if class_names is not None and counted.max(initial=0) >= len(class_names):
        raise UsageError(f"class {counted.max()} has no name; class_names has {len(class_names)}")
    return classes


def _named(feature: Callable[..., Any], most: int, class_names: Sequence[str] | None, count: str, names: str) -> Any:
    """A feature of named classes, or of as many as the highest number tells."""
    return feature(**{count: int(most) + 1} if class_names is None else {names: list(class_names)})
