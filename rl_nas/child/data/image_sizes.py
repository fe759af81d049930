"""The size of a network's images, found by looking at those of a data set."""

from collections.abc import Mapping

import numpy as np

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import UsageError

_SMALL, _LARGEST, _STEP = 64, 224, 32
"""Median sides below the first are proposed as they are, others as multiples of the last, up to the second."""


def found_size(settings: DataSettings, sizes: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """The common height and width of images that were looked at.

    Args:
        settings: which data set.
        sizes: height and width of images as they are seen -> how many have them; none: it is not known.

    Raises:
        UsageError: they differ; the error proposes one.
    """
    if len(sizes) == 1:
        return next(iter(sizes))
    told = f"images of {settings.dataset} differ in size"
    if not sizes:
        raise UsageError(f"{told}; give one to all with --image_size")
    smallest, largest = ("x".join(map(str, one)) for one in (min(sizes, key=_area), max(sizes, key=_area)))
    side = proposed_side(sizes)
    raise UsageError(
        f"{told}, {smallest} to {largest} (height x width); give one to all with --image_size, such as"
        f" --image_size={side}"
    )


def proposed_side(sizes: Mapping[tuple[int, int], int]) -> int:
    """The side of a square for images of several sizes: about their median side, at most 224 pixels.

    Args:
        sizes: height and width -> how many images have them.
    """
    sides = [np.sqrt(_area(size)) for size in sizes]
    median = float(np.median(np.repeat(sides, list(sizes.values()))))
    if median < _SMALL:
        return max(1, round(median))
    return min(_LARGEST, _STEP * round(median / _STEP))


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]
