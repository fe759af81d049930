"""The features of a data set that a task reads, and what becomes of its targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rl_nas.child.data.geometry import Geometry

Target = Any
"""A tensor, or a dict of tensors by name."""


class Frame(NamedTuple):
    """Sizes of an image, height and width, before and after it is resized to what networks read.

    Attributes:
        original: int32 [2], a tensor.
        size: of all images of the data set.
    """

    original: Any
    size: tuple[int, int]


@dataclass(frozen=True)
class Annotation:
    """Features of a data set's examples that hold the targets of a task.

    Attributes:
        image: name of the image's feature.
        class_names: one for each class.
        read: example of the data set -> its target as it is kept in memory, encoded where it is large.
        decode: that, and the frame of the image -> the target in the resized image.
        warp: targets of a batch, geometry of its images -> the targets after the same changes; None: changes do not
            affect the targets.
        is_given: whether a target is known: those of some test splits are secret.
        encoded: names of the features that `read` expects as they are stored.
    """

    image: str
    class_names: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Target]
    decode: Callable[[Target, Frame], Target] = lambda target, frame: target
    warp: Callable[[Target, Geometry], Target] | None = None
    is_given: Callable[[Target], bool] = lambda target: True
    encoded: tuple[str, ...] = ()

    def warped(self, targets: Target, geometry: Geometry) -> Target:
        """The targets of a batch after what was done to its images."""
        return targets if self.warp is None else self.warp(targets, geometry)
