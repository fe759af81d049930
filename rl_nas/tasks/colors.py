"""Colors of classes that readers can tell apart, however many there are."""

from collections.abc import Sequence
from functools import cache

import numpy as np

DISTINCT = 254
"""Number of colors that differ."""

_FIRST = (0xE69F00, 0x56B4E9, 0x009E73, 0xF0E442, 0x0072B2, 0xD55E00, 0xCC79A7)
"""Okabe and Ito's palette (2008), which color-blind readers can distinguish; without its black."""

_TAKEN = (0x000000, 0x808080, 0xFFFFFF)
"""Colors of what is ignored and of the paper."""

_STEP = 17
"""Distance of candidates in each of red, green and blue."""

_LIGHTNESS = (25, 92)
"""Range of L* of candidates: neither black nor white."""

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)


@cache
def distinct_colors() -> np.ndarray:
    """Colors of classes, the same however many there are: uint8 [DISTINCT, 3].

    After the first ones each is the candidate that is farthest, in CIELAB, from all before it (Glasbey et al. 2007,
    Color displays for categorical images).
    """
    levels = np.arange(0, 256, _STEP)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint8)
    places = cielab(candidates)
    inside = (places[:, 0] >= _LIGHTNESS[0]) & (places[:, 0] <= _LIGHTNESS[1])
    candidates, places = candidates[inside], places[inside]
    chosen = list(split_colors(_FIRST))
    nearest = np.full(len(places), np.inf)
    for color in cielab(split_colors([*_TAKEN, *_FIRST])):
        nearest = np.minimum(nearest, np.linalg.norm(places - color, axis=1))
    while len(chosen) < DISTINCT:
        farthest = int(nearest.argmax())
        chosen.append(candidates[farthest])
        nearest = np.minimum(nearest, np.linalg.norm(places - places[farthest], axis=1))
    return np.array(chosen)


def cielab(colors: np.ndarray) -> np.ndarray:
    """L*, a* and b* (CIE 1976, white point D65) of sRGB colors, uint8 [..., 3]."""
    values = colors / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def split_colors(colors: Sequence[int]) -> np.ndarray:
    """Red, green and blue of 0xRRGGBB: uint8 [colors, 3]."""
    return np.array([[color >> 16, color >> 8 & 255, color & 255] for color in colors], np.uint8)
