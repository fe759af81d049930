"""What the control groups of this process allow: in a container, a pod or a cluster's job, less than the machine has.

Groups are nested; the least limit of those around this process holds (Linux, versions 1 and 2 of control groups).
"""

from collections.abc import Iterator
from pathlib import Path

_ROOT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def memory_limit(root: Path = _ROOT, own: Path = _OWN) -> int | None:
    """Bytes that the groups allow; None: they set no limit.

    Args:
        root: where groups are mounted.
        own: the file that names those of this process.
    """
    files = [group / "memory.max" for group in _groups("", root, own)]
    files += [group / "memory.limit_in_bytes" for group in _groups("memory", root, own)]
    return min((int(found[0]) for file in files if (found := _numbers(file))), default=None)


def cpu_limit(root: Path = _ROOT, own: Path = _OWN) -> float | None:
    """Cores of whose time the groups allow so much, a number that need not be whole; None: they set no limit.

    Args:
        root: as for `memory_limit`.
        own: the same.
    """
    quotas = [_numbers(group / "cpu.max") for group in _groups("", root, own)]
    for group in _groups("cpu", root, own):
        quotas.append([*_numbers(group / "cpu.cfs_quota_us"), *_numbers(group / "cpu.cfs_period_us")])
    return min((quota[0] / quota[1] for quota in quotas if len(quota) == 2), default=None)


def _groups(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Yields the folders of the groups of this process, of one controller of version 1, or "" for version 2."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = ["0::/", "1:memory:/", "2:cpu:/"]
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controller not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part]
        inner = [] if ".." in parts else parts  # a container's root may be shown as a path from elsewhere (/../..)
        for base in [root / controllers, root / controller] if controller else [root]:
            yield from (base.joinpath(*inner[:depth]) for depth in range(len(inner), -1, -1))


def _numbers(file: Path) -> list[float]:
    """The numbers in a file; none if it is absent or sets no limit, `max` or -1."""
    try:
        found = [float(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []
    return found if all(number > 0 for number in found) else []
