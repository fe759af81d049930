"""Readers of JSON documents, with errors that tell what was met, and where."""

import json
from collections.abc import Mapping
from typing import TypeVar

from rl_nas.errors import UsageError

T = TypeVar("T")


def expect(value: object, kind: type[T], where: str) -> T:
    """The value, if it is of that type (a boolean is not an int); raises `UsageError` otherwise."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where} is {json.dumps(value)[:60]}; expected {kind.__name__}")
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
