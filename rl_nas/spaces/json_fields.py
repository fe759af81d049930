"""Readers of JSON documents, with errors that tell what was met, and where."""

import json
from collections.abc import Mapping
from typing import TypeVar

from rl_nas.errors import UsageError

T = TypeVar("T")

MOST_NUMBER, MOST_LETTERS = 2**20, 1000
"""Largest whole number and longest text in a genotype."""

_SHOWN = 60


def expect(value: object, kind: type[T], where: str) -> T:
    """The value, if it is of that type (a boolean is not an int) and no longer than any that is meant.

    Raises:
        UsageError: it is another one.
    """
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where} is {_cut(json.dumps(value))}; expected {kind.__name__}")
    if isinstance(value, int) and abs(value) > MOST_NUMBER:
        raise UsageError(f"{where} is {_cut(str(value))}; expected whole numbers of at most {MOST_NUMBER}")
    if isinstance(value, str) and len(value) > MOST_LETTERS:
        raise UsageError(f"{where} is {_cut(value)!r} of {len(value)} letters; expected at most {MOST_LETTERS}")
    return value


def item(document: Mapping[str, object], key: str, where: str) -> object:
    """The value of a key; raises `UsageError` if it is missing."""
    if key not in document:
        raise UsageError(f"{where} has no {key!r}")
    return document[key]


def items(document: object, kind: type[T], where: str, count: int | None = None) -> tuple[T, ...]:
    """A list of values of one type, of `count` entries if that is given."""
    values = expect(document, list, where)
    if count is not None and len(values) != count:
        raise UsageError(f"{where} has {len(values)} entries; expected {count}")
    return tuple(expect(value, kind, f"{where}[{i}]") for i, value in enumerate(values))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
