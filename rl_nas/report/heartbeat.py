"""Lines for those who read a log while nothing happens for long: what is being done, again and again."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TextIO

from rl_nas.errors import printable
from rl_nas.report.durations import clock

QUIET = 30.0
"""Seconds without a line, at most."""
_SOON = 2.0
"""Seconds after which something takes long."""


class Heartbeat:
    """Calls a function whenever nothing has happened for a while, from a thread. Use it as a context manager.

    Args:
        tell: the function; when the output is closed, its errors end the calls.
        first: seconds before the first call.
        every: seconds between calls, and after `happened`.
    """

    def __init__(self, tell: Callable[[], None], *, first: float = QUIET, every: float = QUIET) -> None:
        self._tell, self._wait, self._every = tell, first, every
        self._woken, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended = True
        self._woken.set()
        self._thread.join()

    def happened(self) -> None:
        """Begins to wait anew: something has happened, and was told."""
        self._woken.set()

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                woken = self._woken.wait(self._wait)
                self._woken.clear()
                if self._ended:
                    return
                self._wait = self._every
                if not woken:
                    self._tell()


@contextmanager
def working(what: str, stream: TextIO | None = None, *, first: float = _SOON, every: float = QUIET) -> Iterator[None]:
    """Tells what the body does if that takes long, and again every so often.

    Args:
        what: is done, such as `data: reading 60,000 images`.
        stream: where to tell it; None: the standard error.
        first: seconds before it is told.
        every: seconds before it is told again.
    """
    shown, began, line = stream or sys.stderr, time.monotonic(), printable(what)

    def tell() -> None:
        print(f"{line} ({clock(time.monotonic() - began)})\n", end="", file=shown, flush=True)

    with Heartbeat(tell, first=first, every=every):
        yield
