"""What trackers of a search know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_nas.spaces.decisions import SearchSpace


@dataclass(frozen=True)
class TrackedRun:
    """A search, for its trackers.

    Attributes:
        folder: of the run.
        flags: values of all its flags.
        space: of its architectures.
        resumed: whether the run is continued.
    """

    folder: Path
    flags: Mapping[str, Any]
    space: SearchSpace[Any]
    resumed: bool
