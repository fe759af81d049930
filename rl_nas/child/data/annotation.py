"""The features of a data set that a task reads, and what becomes of its targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rl_nas.child.data.geometry import Geometry
from rl_nas.errors import UsageError

Target = Any
"""A tensor, or a dict of tensors by name."""


class Frame(NamedTuple):
    """Sizes of an image, height and width, before and after it is resized to what networks read.

    Attributes:
        original: of the image as it is seen, that is, turned as its EXIF says: int32 [2], a tensor.
        size: of all images of the data set.
        orientation: of the image as it is stored, 1 (upright) to 8, by EXIF: int32, a tensor. A target that belongs to
            the stored pixels is turned alike (`orientation.turned`).
    """

    original: Any
    size: tuple[int, int]
    orientation: Any = 1


MAX_CLASSES = 100_000
"""Most classes of a data set: each has a name in memory."""


def names_of_classes(feature: Any) -> tuple[str, ...]:
    """The names of the classes of a label, or of the pixels of a mask.

    Args:
        feature: of TFDS, with a number of classes that a file may tell.

    Raises:
        UsageError: they are too many.
    """
    if (feature.num_classes or 0) > MAX_CLASSES:
        raise UsageError(f"data set of {feature.num_classes} classes; expected at most {MAX_CLASSES:,}")
    return tuple(feature.names)


@dataclass(frozen=True)
class Annotation:
    """Features of a data set's examples that hold the targets of a task.

    Attributes:
        image: name of the image's feature.
        class_names: one for each class.
        read: example of the data set, whose images are as they are stored -> its target as it is kept in memory.
        decode: that, and the frame of the image -> the target in the resized image.
        warp: targets of a batch, geometry of its images -> the targets after the same changes; None: changes do not
            affect the targets.
        is_given: whether a target is known: those of some test splits are secret.
        negatives: whether an example may have none to be known, as an image without an object. Then targets of a part
            are secret if those of all its examples are; otherwise one tells it of all.
        extras: text files that go with an exported network, content by name: what its users must know of the targets.
        label: name of the feature with the one class that an example has; None: it has none, or several.
    """

    image: str
    class_names: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Target]
    decode: Callable[[Target, Frame], Target] = lambda target, frame: target
    warp: Callable[[Target, Geometry], Target] | None = None
    is_given: Callable[[Target], bool] = lambda target: True
    negatives: bool = False
    extras: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None

    def warped(self, targets: Target, geometry: Geometry) -> Target:
        """The targets of a batch after what was done to its images."""
        return targets if self.warp is None else self.warp(targets, geometry)
