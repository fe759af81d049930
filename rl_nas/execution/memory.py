"""Memory of workers."""

from pathlib import Path

import psutil

_USABLE = 0.9
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files of a container's limit (control groups 2 and 1), which may be below the machine's memory."""


def machine_memory() -> int:
    """Bytes of memory of this machine or container."""
    total = int(psutil.virtual_memory().total)
    for path in _LIMITS:
        try:
            total = min(total, int(path.read_text()))
        except (OSError, ValueError):  # absent, or `max`
            continue
    return total


def memory_per_worker(workers: int) -> int:
    """Bytes for each of a number of workers, with some left for the driver."""
    return int(_USABLE * machine_memory() / workers)
