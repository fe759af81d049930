"""Anchors: the boxes that a detector starts from, at every place of its feature maps."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from rl_nas.errors import UsageError

SCALES = 3
"""Sides of anchors of a level; the step between them is a third of an octave (Lin et al. 2017, section 4)."""

_STEP = 2 ** (1 / SCALES)
_QUANTILES = (0.05, 0.95)
_CHUNK = 256

Sides = tuple[tuple[float, ...], ...]
"""Sides of square anchors in pixels, from the smallest of the finest level to the largest of the coarsest."""


def make_anchors(
    maps: Mapping[int, tuple[int, int]], sides: Sequence[Sequence[float]], ratios: Sequence[float]
) -> np.ndarray:
    """The anchors of a network: at every place each side in each ratio, centred in the place.

    Args:
        maps: rows and columns of the feature maps, by stride in pixels.
        sides: for each stride, ascending, the square roots of the anchors' areas in pixels.
        ratios: widths over heights.

    Returns:
        Float32 [A, 4], boxes in pixels of the network's image: levels from the finest to the coarsest, rows, columns,
        sides, ratios. They may reach beyond the image.
    """
    levels = [
        _of_level(stride, *maps[stride], np.asarray(of_level, float), np.asarray(ratios, float))
        for stride, of_level in zip(sorted(maps), sides, strict=True)
    ]
    return np.concatenate(levels).astype(np.float32)


def _of_level(stride: int, rows: int, columns: int, sides: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """The anchors of a level, [rows * columns * sides * ratios, 4]."""
    heights, widths = np.outer(sides, ratios**-0.5).ravel(), np.outer(sides, ratios**0.5).ravel()
    half = np.stack([heights, widths], axis=-1) / 2
    centres = (np.moveaxis(np.indices((rows, columns)), 0, -1) + 0.5) * stride
    places = centres[:, :, np.newaxis]
    return np.concatenate([places - half, places + half], axis=-1).reshape(-1, 4)


def octave(bases: Sequence[float]) -> Sides:
    """The sides of levels whose smallest ones are given: three to an octave."""
    return tuple(tuple(base * _STEP**step for step in range(SCALES)) for base in bases)


def anchor_sides_for(boxes: np.ndarray, labels: np.ndarray, levels: int) -> Sides:
    """Sides of anchors that fit the boxes of a data set.

    A box's side is the root of its area; a class reaches from its quantile of 5 % to that of 95 %. The anchors' sides
    run in even steps of their logarithms from the smallest to the largest side of any class, so that rare classes count
    as much as others. Steps are at least a third of an octave: with many levels the sides go beyond the largest box
    instead of crowding at strides that are too wide for them.

    Args:
        boxes: [N, 4] in pixels of the network's image; those without an area do not count.
        labels: class numbers, int [N].
        levels: number of feature maps.

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
    low, high = of_classes[:, 0].min(), of_classes[:, 1].max()
    count = levels * SCALES
    step = max((high / low) ** (1 / (count - 1)), _STEP)
    sides = low * step ** np.arange(count)
    return tuple(tuple(row) for row in sides.reshape(levels, SCALES).round(2).tolist())


def unreached(boxes: np.ndarray, labels: np.ndarray, anchors: np.ndarray, classes: int, iou: float = 0.5) -> np.ndarray:
    """The number of boxes of each class that no anchor reaches, int64 [classes].

    Args:
        boxes: [N, 4] in pixels of the network's image.
        labels: class numbers, int [N].
        anchors: [A, 4].
        classes: of the data set.
        iou: that an anchor must have with a box to reach it.
    """
    parts = [boxes[start : start + _CHUNK] for start in range(0, len(boxes), _CHUNK)]
    best = np.concatenate([np.zeros(0), *(_best_iou(part, anchors) for part in parts)])
    return np.bincount(labels[best < iou], minlength=classes)


def _best_iou(boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Largest IoU of each box with an anchor, float [N]."""
    low = np.maximum(boxes[:, np.newaxis, :2], anchors[:, :2])
    common = np.maximum(np.minimum(boxes[:, np.newaxis, 2:], anchors[:, 2:]) - low, 0).prod(axis=-1)
    unions = _areas(boxes)[:, np.newaxis] + _areas(anchors) - common
    return np.asarray((common / unions).max(axis=1))


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=-1))


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
