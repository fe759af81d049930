"""Palettes of masks."""

from collections.abc import Mapping

import numpy as np

from rl_nas.tasks.colors import distinct_colors, split_colors


def make_palette(classes: int, own: Mapping[int, int] | None = None) -> np.ndarray:
    """Colors of masks: uint8 [256, 3], black for all values that are no class.

    Args:
        classes: how many.
        own: class number -> 0xRRGGBB of the data set; used if all classes have one.
    """
    palette = np.zeros([256, 3], np.uint8)
    own = own or {}
    complete = own.keys() >= set(range(classes))
    palette[:classes] = (
        split_colors([own[number] for number in range(classes)]) if complete else distinct_colors()[:classes]
    )
    return palette
