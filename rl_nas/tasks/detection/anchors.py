"""Anchors: the boxes that a detector starts from, at every place of its feature maps."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rl_nas.errors import UsageError

SCALES = 3
"""Sides of anchors of a level; the step between them is a third of an octave (Lin et al. 2017, section 4)."""

_STEP = 2 ** (1 / SCALES)
_QUANTILES = (0.05, 0.95)

Sides = tuple[tuple[float, ...], ...]
"""Sides of square anchors in pixels, from the smallest of the finest level to the largest of the coarsest."""


@dataclass(frozen=True)
class Anchors:
    """The anchors of a network: at every place each side in each ratio, centred in the place.

    Attributes:
        maps: rows and columns of the feature maps, by stride in pixels.
        sides: for each stride, ascending, the square roots of the anchors' areas in pixels.
        ratios: widths over heights.
    """

    maps: Mapping[int, tuple[int, int]]
    sides: Sides
    ratios: tuple[float, ...] = (1.0,)

    @property
    def boxes(self) -> np.ndarray:
        """Float32 [A, 4] in pixels of the network's image: levels from the finest, rows, columns, sides, ratios.

        They may reach beyond the image.
        """
        levels = []
        for stride, sizes in self._levels:
            centres = (np.moveaxis(np.indices(self.maps[stride]), 0, -1)[:, :, np.newaxis] + 0.5) * stride
            levels.append(np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1).reshape(-1, 4))
        return np.concatenate(levels).astype(np.float32)

    def unreached(self, boxes: np.ndarray, labels: np.ndarray, classes: int, iou: float = 0.5) -> np.ndarray:
        """The number of boxes of each class that no anchor reaches, int64 [classes].

        Args:
            boxes: [N, 4] in pixels of the network's image.
            labels: class numbers, int [N].
            classes: of the data set.
            iou: that an anchor must have with a box to reach it.
        """
        return np.bincount(labels[self._best_iou(boxes) < iou], minlength=classes)

    @property
    def _levels(self) -> Iterator[tuple[int, np.ndarray]]:
        """Strides, and heights and widths of the anchors of a place, [sides * ratios, 2]."""
        ratios = np.array(self.ratios)
        for stride, of_level in zip(sorted(self.maps), self.sides, strict=True):
            sizes = np.outer(of_level, ratios**-0.5), np.outer(of_level, ratios**0.5)
            yield stride, np.stack(sizes, axis=-1).reshape(-1, 2)

    def _best_iou(self, boxes: np.ndarray) -> np.ndarray:
        """Largest IoU of each box with an anchor, float [N]: of those of a size, it is the nearest one's."""
        low, high = boxes[:, :2], boxes[:, 2:]
        best = np.zeros(len(boxes))
        for stride, sizes in self._levels:
            places = np.clip((low + high) / 2 // stride, 0, np.array(self.maps[stride]) - 1)
            centres = (places + 0.5) * stride
            for size in sizes:
                common = np.minimum(high, centres + size / 2) - np.maximum(low, centres - size / 2)
                area = np.maximum(common, 0).prod(axis=-1)
                best = np.maximum(best, area / (_areas(boxes) + size.prod() - area))
        return best


def octave(bases: Sequence[float]) -> Sides:
    """The sides of levels whose smallest ones are given: three to an octave."""
    return tuple(tuple(base * _STEP**step for step in range(SCALES)) for base in bases)


def anchor_sides_for(boxes: np.ndarray, labels: np.ndarray, strides: Collection[int]) -> Sides:
    """Sides of anchors that fit the boxes of a data set.

    A box's side is the root of its area; a class reaches from its quantile of 5 % to that of 95 %. The anchors' sides
    run in even steps of their logarithms from the smallest to the largest side of any class, so that rare classes count
    as much as others. The smallest is at least the finest stride: most boxes below lie between the places. Steps are at
    least a third of an octave: with many levels the sides go beyond the largest box instead of crowding at strides that
    are too wide for them.

    Args:
        boxes: [N, 4] in pixels of the network's image; those without an area do not count.
        labels: class numbers, int [N].
        strides: of the feature maps.

    Raises:
        UsageError: no box has an area.
    """
    box_sides = np.sqrt(_areas(boxes))
    labels = labels[box_sides > 0]
    box_sides = box_sides[box_sides > 0]
    if not len(box_sides):
        raise UsageError(
            "--anchor_sizes=auto: the training images have no boxes; expected some: check the data set, or give the"
            " side of the smallest anchor of each level in pixels, such as 16,32,64"
        )
    of_classes = np.array([np.quantile(box_sides[labels == label], _QUANTILES) for label in np.unique(labels)])
    low, high = max(of_classes[:, 0].min(), min(strides)), of_classes[:, 1].max()
    count = len(strides) * SCALES
    step = max((high / low) ** (1 / (count - 1)), _STEP)
    sides = low * step ** np.arange(count)
    return tuple(tuple(row) for row in sides.reshape(-1, SCALES).round(2).tolist())


def parse_sizes(text: str) -> Sides | None:
    """The sides of `--anchor_sizes`: `auto`, None here, or those of the levels' smallest anchors, as in `16,32,64`.

    Raises:
        UsageError: it is neither.
    """
    if text == "auto":
        return None
    bases = _numbers(text)
    if bases is None or any(low >= high for low, high in pairwise(bases)):
        raise UsageError(
            f"--anchor_sizes={text}: expected auto, or the side of the smallest anchor of each level in pixels,"
            " ascending, such as 16,32,64"
        )
    return octave(bases)


def parse_ratios(text: str) -> tuple[float, ...]:
    """The widths over heights of `--anchor_ratios`, as in `0.5,1,2`.

    Raises:
        UsageError: they are not different numbers above 0.
    """
    ratios = _numbers(text)
    if ratios is None or len(set(ratios)) < len(ratios):
        raise UsageError(
            f"--anchor_ratios={text}: expected widths over heights, different numbers above 0, such as 0.5,1,2"
        )
    return tuple(ratios)


def check_levels(sides: Sides, levels: int) -> None:
    """Raises `UsageError` if `--anchor_sizes` does not give a side for each of the network's levels."""
    if len(sides) != levels:
        given = ",".join(f"{of_level[0]:g}" for of_level in sides)
        raise UsageError(
            f"--anchor_sizes={given}: expected {levels} sides, one for each level of the detector, or auto"
        )


def _numbers(text: str) -> list[float] | None:
    """Numbers from a thousandth to a million, separated by commas; None for other text."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        return None
    return numbers if all(1e-3 <= number <= 1e6 for number in numbers) else None


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=-1))
