"""Checkpoint of a run, to continue from."""

from dataclasses import dataclass
from typing import Any

State = dict[str, Any]
"""JSON values, NumPy arrays, and dicts with string keys, lists and tuples of them."""


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
