"""Large images in overlapping tiles, whose probabilities are blended where tiles overlap."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Axis(NamedTuple):
    """Tiles along one side of an image.

    Attributes:
        starts: first pixel of every tile, increasing.
        size: pixels of a tile.
        weights: float32 [tiles, size]; at every pixel those of all tiles add up to 1.
    """

    starts: tuple[int, ...]
    size: int
    weights: np.ndarray


def tile_axis(length: int, size: int, overlap: int) -> Axis:
    """As few tiles as cover a side, evenly spaced, with weights that rise and fall linearly where tiles overlap.

    Args:
        length: pixels of the side.
        size: of a tile; one tile covers a side that is no longer.
        overlap: least pixels that a tile shares with the next, below `size`.
    """
    size = min(size, length)
    count = 1 if size == length else -(-(length - overlap) // (size - overlap))
    starts = tuple(number * (length - size) // max(1, count - 1) for number in range(count))
    place = np.arange(size) + 0.5
    ramps = np.ones([count, size])
    for number, (before, after) in enumerate(pairwise(starts)):
        shared = before + size - after
        if shared > 0:
            ramps[number] = np.minimum(ramps[number], (size - place) / shared)
            ramps[number + 1] = np.minimum(ramps[number + 1], place / shared)
    total = np.zeros(length)
    for start, ramp in zip(starts, ramps, strict=True):
        total[start : start + size] += ramp
    weights = [ramp / total[start : start + size] for start, ramp in zip(starts, ramps, strict=True)]
    return Axis(starts, size, np.array(weights, np.float32))


def blended(
    predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, tile: tuple[int, int], overlap: int
) -> Iterator[np.ndarray]:
    """Yields the probabilities of an image in bands of rows, from the top: floats [rows, width, classes].

    No more than one band of tiles is in memory.

    Args:
        predict: from a part of the image to probabilities of its pixels, floats [height, width, classes].
        image: [height, width, channels].
        tile: height and width of tiles; smaller images are one tile.
        overlap: least pixels that neighbors share.
    """
    height, width = image.shape[:2]
    rows, columns = tile_axis(height, tile[0], overlap), tile_axis(width, tile[1], overlap)
    kept: np.ndarray | None = None
    for number, top in enumerate(rows.starts):
        band: np.ndarray | None = None
        for left, across in zip(columns.starts, columns.weights, strict=True):
            found = predict(image[top : top + rows.size, left : left + columns.size])
            if band is None:
                band = np.zeros([rows.size, width, found.shape[-1]], np.float32)
                if kept is not None:
                    band[: len(kept)] = kept
            weights = rows.weights[number][:, np.newaxis] * across
            band[:, left : left + columns.size] += found * weights[..., np.newaxis]
        assert band is not None
        ready = (*rows.starts, height)[number + 1] - top
        yield band[:ready]
        kept = band[ready:]
