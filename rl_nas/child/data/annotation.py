"""The features of a data set that a task reads, and what becomes of its targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rl_nas.child.data.geometry import Geometry

Target = Any
"""A tensor, or a dict of tensors by name."""


@dataclass(frozen=True)
class Annotation:
    """Where the targets of a task stand in the examples of a data set.

    Attributes:
        image: name of the image's feature.
        class_names: one for each class.
        read: example of the data set -> its target as it is kept in memory, encoded where it is large.
        decode: that -> the target.
        warp: targets of a batch and what was done to its images -> the same done to the targets; None: they stay as
            they are, whatever is done.
        is_given: whether a target is known, as those of some test splits are secret.
        encoded: names of the features that `read` wants as they are stored.
    """

    image: str
    class_names: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Target]
    decode: Callable[[Target], Target] = lambda target: target
    warp: Callable[[Target, Geometry], Target] | None = None
    is_given: Callable[[Target], bool] = lambda target: True
    encoded: tuple[str, ...] = ()

    def warped(self, targets: Target, geometry: Geometry) -> Target:
        """The targets of a batch after what was done to its images."""
        return targets if self.warp is None else self.warp(targets, geometry)
