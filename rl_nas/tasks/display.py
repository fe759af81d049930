"""How a task shows images with their targets and predictions. No TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Outputs = Mapping[str, np.ndarray]
"""What an exported network gives for an image, arrays by name."""


class Key(NamedTuple):
    """A color with its meaning.

    Attributes:
        number: of the class; legends are in this order.
        name: of the class.
        color: red, green and blue, 0 to 255.
        striped: whether pictures show it by stripes.
    """

    number: int
    name: str
    color: tuple[int, int, int]
    striped: bool = False


class Shown(NamedTuple):
    """An image as it is shown.

    Attributes:
        caption: a line.
        panels: pictures by their headings, uint8 [height, width, 3], all of one size.
        keys: of the colors in them.
        scale: how large panels are to be drawn; above 1 if they hold details such as letters.
    """

    caption: str
    panels: Mapping[str, np.ndarray]
    keys: frozenset[Key] = frozenset()
    scale: float = 1


class Display:
    """Shows nothing: the base of the displays of tasks.

    Attributes:
        class_names: one for each class.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)

    def quality(self, target: Any, outputs: Outputs) -> float | None:
        """How good the prediction of one image is; larger is better; None: nobody can say."""
        return None

    def show(self, image: np.ndarray, target: Any, outputs: Outputs) -> Shown | None:
        """An image beside its target and its prediction; None: the task shows nothing.

        Args:
            image: uint8 [height, width, channels].
            target: of the image.
            outputs: of the exported network.
        """
        return None


def as_rgb(image: np.ndarray) -> np.ndarray:
    """An image [height, width, 1 or 3] with three channels."""
    return np.broadcast_to(image, (*image.shape[:2], 3))
