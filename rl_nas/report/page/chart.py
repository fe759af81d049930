"""A chart of the page with its words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Chart:
    """A chart with its heading and the sentence below it; small ones stand side by side.

    Attributes:
        menu: parts of its rows, of which a menu shows one at a time, the first one to begin with: each a name, the
            first row, the row after the last, and the labels of the rows.
        width: pixels below which it cannot be read; on narrower screens it is moved sideways.
    """

    name: str
    title: str
    caption: str
    drawn: Any = field(repr=False)
    small: bool = False
    menu: Sequence[Mapping[str, Any]] = ()
    width: int = 0
