"""Detections on the image that they were found in."""

from collections.abc import Sequence

import numpy as np

from rl_nas.tasks.colors import distinct_colors
from rl_nas.tasks.detection.drawing import Color, Outline, draw_boxes
from rl_nas.tasks.detection.records import Detections
from rl_nas.tasks.display import Key
from rl_nas.tasks.legend import enlarged, enlargement, legend_png

_FINE = 400
"""Longer side, in pixels, of an image whose lines and letters have scale 1; they grow with the image."""


def overlay_png(image: np.ndarray, found: Detections, class_names: Sequence[str]) -> bytes:
    """A PNG image with boxes in the colors of their classes, and how many there are of each class beside it.

    Args:
        image: uint8 [height, width, 3]; small ones are enlarged.
        found: its detections by falling scores; the surest ones are drawn on top.
        class_names: one for each class.
    """
    factor, picture = enlargement(image.shape[:2]), enlarged(image)
    outlines = [
        Outline((box * factor).tolist(), _color(number), label=f"{class_names[number]} {score:.2f}")
        for box, score, number in zip(*found, strict=True)
    ]
    drawn = draw_boxes(picture, outlines[::-1], max(1, max(picture.shape[:2]) / _FINE))
    legend = [
        (Key(number, class_names[number], _color(number)), f"{class_names[number]}  {count}")
        for number, count in class_counts(found.classes)
    ]
    return legend_png(drawn, legend)


def class_counts(classes: np.ndarray) -> list[tuple[int, int]]:
    """The numbers of the classes that occur and how often each does, the most frequent one first."""
    numbers, counts = np.unique(classes, return_counts=True)
    return sorted(zip(numbers.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])


def _color(number: int) -> Color:
    colors = distinct_colors()
    red, green, blue = colors[number % len(colors)].tolist()
    return red, green, blue
