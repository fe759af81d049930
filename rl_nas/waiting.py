"""Proposals of a strategy whose trials are still to come."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from rl_nas.spaces.decisions import Architecture

Record = TypeVar("Record")
"""What a strategy remembers of a proposal."""


class Waiting(Generic[Record]):
    """Proposals whose trials are still to come, each with a record; of equal ones the first is answered first.

    Args:
        entries: those of another one.
    """

    def __init__(self, entries: Iterable[tuple[Sequence[int], Record]] = ()) -> None:
        self._records: dict[Architecture, deque[Record]] = {}
        for architecture, record in entries:
            self.add(tuple(architecture), record)

    def add(self, architecture: Architecture, record: Record) -> None:
        """Adds a proposal."""
        self._records.setdefault(architecture, deque()).append(record)

    def take(self, architecture: Architecture) -> Record | None:
        """Takes out the first proposal of an architecture; None if there is none."""
        return self._taken(architecture, deque.popleft)

    def withdraw(self, architecture: Architecture) -> Record | None:
        """Takes out the last proposal of an architecture, which is not to be answered; None if there is none."""
        return self._taken(architecture, deque.pop)

    def entries(self) -> list[tuple[Architecture, Record]]:
        """All proposals with their records; of equal ones the first comes first."""
        return [(architecture, record) for architecture, records in self._records.items() for record in records]

    def _taken(self, architecture: Architecture, pop: Callable[[deque[Record]], Record]) -> Record | None:
        records = self._records.get(architecture)
        if records is None:
            return None
        record = pop(records)
        if not records:
            del self._records[architecture]
        return record
