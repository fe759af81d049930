"""Tables of the page: cells have a text to be read and, if they are numbers, the exact value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rl_nas.statistics import Correlation

_LONGEST = 200
"""Letters of a text of a cell."""


class Cell(NamedTuple):
    """A text, and the number that it shows."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """A table with a heading.

    Attributes:
        title: the heading.
        heads: of the columns.
        rows: of cells, as many as heads.
        notes: sentences below it.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


def words(value: object) -> Cell:
    """A text, cut where it is long; `-` if there is none."""
    text = "-" if value is None else str(value)
    return Cell(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def number(value: float | None, form: str = ".4f") -> Cell:
    """A number in a format; `-` if there is none."""
    return Cell("-") if value is None else Cell(f"{value:{form}}", value)


def correlation_text(name: str, found: Correlation) -> str:
    """A rank correlation with its 95% interval, in words."""
    return f"{name} {found.value:.2f} (95%: {found.low:.2f} to {found.high:.2f})"
