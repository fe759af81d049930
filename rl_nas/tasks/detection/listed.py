"""What files say of boxes, in whatever format: images with their boxes, and what is odd about them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rl_nas.errors import UsageError

Corners = tuple[float, float, float, float]
"""Top, left, bottom and right."""


class Box(NamedTuple):
    """A box of an image.

    Attributes:
        corners: in pixels of the stored image, or in fractions of its sides.
        label: number of its class.
        ignore: whether it is neither learned nor measured.
        area: in pixels, if the annotation has one.
    """

    corners: Corners
    label: int
    ignore: bool = False
    area: float | None = None


class ListedImage(NamedTuple):
    """An image and its boxes.

    Attributes:
        name: a path below the folder of its split.
        file: of the image.
        where: the place of its annotation, for messages.
        size: its height and width by the annotation; None: that has none.
        boxes: of the image; none: it is a negative.
        fractions: whether the boxes are in fractions of the image's sides instead of pixels.
    """

    name: str
    file: Path
    where: str
    size: tuple[int, int] | None
    boxes: Sequence[Box]
    fractions: bool = False


class ListedImages(NamedTuple):
    """The images of a folder.

    Attributes:
        class_names: one for each class.
        splits: images by split.
    """

    class_names: tuple[str, ...]
    splits: Mapping[str, Sequence[ListedImage]]


class Oddities:
    """What is odd about a folder, counted, so that each kind is told once."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._lines: list[str] = []

    def tell(self, line: str) -> None:
        """Adds a line of its own."""
        self._lines.append(line)

    def add(self, kind: str, example: str) -> None:
        """Counts one of a kind.

        Args:
            kind: in words; after a semicolon, what becomes of it.
            example: names this one.
        """
        self._counts[kind] += 1
        self._first.setdefault(kind, example)

    def told(self, root: Path) -> list[str]:
        """The lines: one for each kind has its count and the first example."""
        lines = list(self._lines)
        for kind, count in self._counts.items():
            what, _, outcome = kind.partition("; ")
            lines.append(f"{root}: {what}: {count}, such as {self._first[kind]}" + (f"; {outcome}" if outcome else ""))
        return lines


def shown(text: object) -> str:
    """A text of a stranger's file, such as a name, as it stands in a message: short, and in one line."""
    return repr(str(text)[:80])[1:-1]


def number(text: object, where: str) -> float:
    """A finite number of a file.

    Raises:
        UsageError: it is none.
    """
    try:
        value = float(text) if isinstance(text, (str, int, float)) and not isinstance(text, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{where} has '{shown(text)}' for a number; expected a finite one")
    return value


def check_order(corners: Corners, where: str, expected: str) -> Corners:
    """The corners, if bottom and right are not before top and left.

    Raises:
        UsageError: they are; corners that a tool took for sizes, or sizes for corners, often are.
    """
    top, left, bottom, right = corners
    if bottom < top or right < left:
        raise UsageError(f"{where} has a box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}); expected {expected}")
    return corners
