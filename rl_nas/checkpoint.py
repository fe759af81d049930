"""Where a run stands, so that it can go on there."""

from dataclasses import dataclass
from typing import Any

State = dict[str, Any]
"""JSON values, NumPy arrays, and dictionaries with string keys, lists and tuples of them."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands after an update.

    Attributes:
        updates: of the strategy so far.
        trials: that it knows; those from this number on are proposed again, and recalled where they are recorded.
        state: of the strategy and of what watches its health.
    """

    updates: int
    trials: int
    state: State
