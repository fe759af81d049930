"""What settings leave open about a data set, found by looking at it: size of images, name of a split, strata."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.examples import Examples
from rl_nas.child.data.image_sizes import found_size
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.splits import takes_from_train, with_found_split
from rl_nas.errors import UsageError


class Found(NamedTuple):
    """What was found.

    Attributes:
        settings: those that were given, with what they left open.
        labels: classes of the examples of each split whose classes can be had without its images, int64 [examples].
        remarks: lines for the user.
    """

    settings: DataSettings
    labels: Mapping[str, np.ndarray]
    remarks: tuple[str, ...]

    @property
    def strata(self) -> np.ndarray | None:
        """Classes of the training examples that give the same fraction each; None: classes do not matter."""
        return self.labels["train"] if self.settings.stratify == "yes" and "train" in self.labels else None


def find_settings(settings: DataSettings, examples: Examples, annotation: Annotation) -> Found:
    """Looks at a data set.

    Args:
        settings: as they were given.
        examples: of the data set.
        annotation: of the task at hand.

    Raises:
        UsageError: images differ in size, or have no classes that can be had without them, and the settings need it.
    """
    remarks = []
    settings = with_found_split(settings, examples.sizes)
    sizes, shape = examples.image_sizes, examples.features[annotation.image].shape
    if settings.size is None and (sizes or None in shape[:2]):
        size = "x".join(map(str, found_size(settings, sizes)))
        looked, total = sum(sizes.values()), sum(examples.sizes.values())
        of = f"all {total:,} images" if looked == total else f"the {looked:,} of {total:,} images that were looked at"
        remarks.append(f"image size: {size}, that of {of}")
        if None in shape[:2]:
            settings = replace(settings, image_size=size)
    labels = _labels(examples, annotation.label)
    stratify = _stratify(settings, annotation, labels)
    if (settings.stratify, stratify) == ("auto", "no") and not settings.grouped:
        remarks.append(
            f"images of {settings.dataset} are held out whatever their class: classes are not to be had without the"
            " images"
        )
    return Found(replace(settings, stratify=stratify), labels, tuple(remarks))


def _labels(examples: Examples, feature: str | None) -> dict[str, np.ndarray]:
    """The classes of each split, if those of the training split are to be had."""
    if feature is None or "train" not in examples.sizes or (of_train := examples.labels("train", feature)) is None:
        return {}
    others = {split: examples.labels(split, feature) for split in examples.sizes if split != "train"}
    return {"train": of_train, **{split: labels for split, labels in others.items() if labels is not None}}


def _stratify(settings: DataSettings, annotation: Annotation, labels: Mapping[str, np.ndarray]) -> str:
    """What the setting means for a data set; `auto` where it means nothing."""
    usable = "train" in labels and labels["train"].min(initial=0) >= 0
    if settings.stratify == "yes" and not usable:
        raise UsageError(
            f"--stratify=yes: the classes of images of {settings.dataset} are not to be had without the images; leave"
            " it out"
        )
    if settings.stratify != "auto" or annotation.label is None or not takes_from_train(settings):
        return settings.stratify
    return "yes" if usable and not settings.grouped else "no"
