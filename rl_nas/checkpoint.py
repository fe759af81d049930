"""Checkpoint of a run, to continue from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rl_nas.errors import UsageError, first_line

REBUILD = "give --resume --rebuild to make it again from what is recorded"
"""What to do about a state that cannot be used."""

State = dict[str, Any]
"""JSON values, NumPy arrays, and dicts with string keys, lists and tuples of them."""


class OutdatedStateError(Exception):
    """A state of an earlier version of a strategy, which has to learn from the trials again."""


@dataclass(frozen=True)
class Checkpoint:
    """State of a run after an update.

    Attributes:
        updates: of the strategy so far.
        trials: number of trials that it knows; later ones are proposed again, and recalled if they are recorded.
        state: of the strategy and of its health.
    """

    updates: int
    trials: int
    state: State


@contextmanager
def restoring(what: str) -> Iterator[None]:
    """Turns errors of the body, which restores a state that may be damaged in any way, into a `UsageError`.

    Args:
        what: is restored, for the message.
    """
    try:
        yield
    except OutdatedStateError:
        raise
    except Exception as error:
        raise UsageError(
            f"{what} cannot be restored ({type(error).__name__}: {first_line(error)}); {REBUILD}"
        ) from error
