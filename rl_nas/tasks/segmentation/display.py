"""Pictures of masks: in colors, over images, beside their targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from rl_nas.tasks.display import Display, Key, Outputs, Shown, as_rgb
from rl_nas.tasks.segmentation.confusion import confusion, figures
from rl_nas.tasks.segmentation.label_map import LabelMap
from rl_nas.tasks.segmentation.masks import IGNORE
from rl_nas.tasks.segmentation.palette import make_palette

_STRIPES = 4
"""Least width in pixels of the stripes, dark and light in turn, where a target is ignored; they grow with the image."""
_LIGHT = 130


class MaskDisplay(Display):
    """Shows masks in the colors of their data set, or in others that differ well.

    Attributes:
        palette: of masks, uint8 [256, 3].
    """

    def __init__(self, class_names: Sequence[str], labels: LabelMap | None = None) -> None:
        super().__init__(class_names)
        self.palette = make_palette(len(self.class_names), None if labels is None else labels.colors)

    @override
    def quality(self, target: np.ndarray, outputs: Outputs) -> float | None:
        """The mean intersection over union of the image alone."""
        matrix = confusion(target, outputs["classes"], len(self.class_names))
        return figures(matrix, self.class_names).get("mIoU")

    @override
    def show(self, image: np.ndarray, target: np.ndarray, outputs: Outputs) -> Shown:
        quality = self.quality(target, outputs)
        return Shown(
            "no labeled pixel" if quality is None else f"mIoU {quality:.3f}",
            {"image": as_rgb(image), "target": self.colored(target), "prediction": self.colored(outputs["classes"])},
            frozenset(self.keys(target) + self.keys(outputs["classes"])),
        )

    def colored(self, mask: np.ndarray) -> np.ndarray:
        """A mask in colors, ignored pixels striped: uint8 [height, width, 3]."""
        picture: np.ndarray = self.palette[mask]
        rows, columns = np.nonzero(mask == IGNORE)
        light = (rows + columns) // max(_STRIPES, *(side // 40 for side in mask.shape)) % 2 > 0
        picture[rows[light], columns[light]] = _LIGHT
        return picture

    def keys(self, mask: np.ndarray) -> list[Key]:
        """The colors of the classes in a mask, the most frequent one first."""
        counts: Any = np.bincount(mask.ravel(), minlength=256)
        present = sorted(np.flatnonzero(counts).tolist(), key=lambda number: -counts[number])
        return [self._key(number) for number in present]

    def _key(self, number: int) -> Key:
        red, green, blue = self.palette[number].tolist()
        if number == IGNORE:
            return Key(number, "ignored", (red, green, blue), striped=True)
        return Key(number, self.class_names[number], (red, green, blue))
