"""How much memory there is for workers."""

from pathlib import Path

import psutil

_SHARE = 0.9
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container's limit stands (control groups 2 and 1); the machine's memory is not what it may use."""


def machine_memory() -> int:
    """Bytes that this machine or container has."""
    total = int(psutil.virtual_memory().total)
    for path in _LIMITS:
        try:
            total = min(total, int(path.read_text()))
        except (OSError, ValueError):  # absent, or `max`
            continue
    return total


def share_of(workers: int) -> int:
    """Bytes for each of so many workers, with something left for the driver."""
    return int(_SHARE * machine_memory() / workers)
