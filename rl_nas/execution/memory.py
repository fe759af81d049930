"""Memory of workers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from rl_nas.execution.control_groups import memory_limit
from rl_nas.execution.keeper import LINUX, children_of_all

_USABLE = 0.9


def machine_memory() -> int:
    """Bytes of memory of this machine or container."""
    total, limit = int(psutil.virtual_memory().total), memory_limit()
    return total if limit is None else min(total, limit)


def memory_per_worker(workers: int) -> int:
    """Bytes for each of a number of workers, with some left for the driver."""
    return int(_USABLE * machine_memory() / workers)


def process_tree() -> Mapping[int, list[int]]:
    """Process ids of the children of every process that has any."""
    if LINUX:
        return children_of_all()
    tree: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        tree.setdefault(process.info["ppid"], []).append(process.pid)
    return tree


def memory_of(processes: Sequence[int], enough: float) -> int:
    """Bytes that processes hold together; what they share counts once if it is more than `enough` otherwise."""
    for kind in ("rss", "pss"):
        total = 0
        for process in processes:
            with suppress(psutil.Error):  # it has ended
                total += _memory(process, kind)
        if len(processes) == 1 or total <= enough:
            break
    return total


def _memory(process: int, kind: str) -> int:
    """Bytes of a process, 0 if it has ended: `rss`, or `pss`, its share of these, where the system tells it."""
    found = psutil.Process(process)
    try:
        return int(found.memory_full_info().pss) if kind == "pss" else int(found.memory_info().rss)
    except (psutil.AccessDenied, AttributeError):
        return int(found.memory_info().rss)
