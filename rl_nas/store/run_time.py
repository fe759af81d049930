"""The time that a run has taken, over all its sittings, in a file."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.store.files import write_text
from rl_nas.store.json_files import read_json

_FORM = {"seconds": float}
_REMEDY = "delete the file, and earlier sittings no longer count"
_MOST = 1e12
_PAUSE = 5.0
"""Fewest seconds between two writes."""


class RunTime:
    """Seconds of a run: those of earlier sittings, and those since this object was made.

    Args:
        path: of the file; nothing is written before `save`.
        clock: of this sitting, seconds.

    Attributes:
        before: seconds of earlier sittings, up to their last `save`; None: none is recorded.

    Raises:
        UsageError: the file is broken.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock, self._began = path, clock, clock()
        self._saved = -_PAUSE
        self.before: float | None = None
        if path.exists():
            seconds = read_json(path, _FORM, _REMEDY)["seconds"]
            if not 0 <= seconds <= _MOST:
                raise UsageError(f"{path}: seconds is out of range; expected a number from 0 to {_MOST:g}; {_REMEDY}")
            self.before = float(seconds)

    @property
    def seconds(self) -> float:
        """Of all sittings so far."""
        return (self.before or 0.0) + self._clock() - self._began

    def save(self, *, spare: bool = True) -> None:
        """Writes the time, so that it counts in later sittings.

        Args:
            spare: not if it was written in the last seconds.

        Raises:
            StorageError: the disk is full or read-only.
        """
        now = self._clock() - self._began
        if not spare or now - self._saved >= _PAUSE:
            write_text(self._path, json.dumps({"seconds": round(self.seconds, 3)}) + "\n")
            self._saved = now

    @contextmanager
    def kept(self, worked: Callable[[], bool]) -> Iterator[None]:
        """Saves the time when the body ends, however it does, if it has worked: a finished run is not changed."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):  # the error of the body tells more
                if worked():
                    self.save(spare=False)
            raise
        if worked():
            self.save(spare=False)
