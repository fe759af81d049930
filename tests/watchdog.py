"""No test's verdict depends on how fast the machine is: a watchdog only ends what hangs."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import psutil

Process = TypeVar("Process")  # subprocess.Popen, or what is used like one
TIMEOUT = 1800
"""Seconds after which a process is taken for hung, far beyond what a slow machine needs."""


@contextmanager
def watched(process: Process) -> Iterator[Process]:
    """A process that is killed when it hangs, and at the latest when the test has done with it."""
    watchdog = threading.Timer(TIMEOUT, process.kill)
    watchdog.daemon = True
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            process.kill()
            watchdog.cancel()


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits as long as it takes."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "hung"
        time.sleep(0.02)


def are_gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether all have ended; nobody may have waited for them."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return False
    return True
