"""Masks as files: class numbers with a palette, and colors over the image with a legend."""

from collections.abc import Sequence

import numpy as np
import PIL.Image

from rl_nas.tasks.display import Key
from rl_nas.tasks.legend import enlarged, legend_png, png


def mask_png(mask: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG image whose indices are the class numbers.

    Args:
        mask: uint8 [height, width].
        palette: uint8 [256, 3].
    """
    image = PIL.Image.fromarray(mask)
    image.putpalette(palette.tobytes())
    return png(image)


def overlay_png(image: np.ndarray, colored: np.ndarray, legend: Sequence[tuple[Key, str]]) -> bytes:
    """A PNG image of a mask over its image, and the meaning of its colors beside it.

    Args:
        image: uint8 [height, width, 3].
        colored: the mask, likewise.
        legend: colors with texts, from the top.
    """
    blended = ((image.astype(np.uint16) + colored + 1) // 2).astype(np.uint8)
    return legend_png(enlarged(blended), legend)
