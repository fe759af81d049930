"""Python, the installed packages, memory and disk. No TensorFlow."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import InvalidRequirement, Requirement

from rl_nas.doctor.finding import Finding, State
from rl_nas.execution.memory import machine_memory
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Failure, Trial, TrialState
from rl_nas.units import GIB, MIB, size_text

_TESTED = ((3, 11), (3, 13))
"""The first and the last tested version of Python."""
_SHOWN = ("tensorflow", "keras", "numpy", "tensorflow-datasets")
_LITTLE_MEMORY, _LITTLE_DISK = 2 * GIB, GIB
_WRITTEN = 64 * MIB
_SLOW_DISK = 20 * MIB
"""Bytes a second."""
_SLOW_COMMIT = 0.25
"""Seconds."""
_COMMITS = 5


def python() -> Finding:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    first, last = (".".join(map(str, one)) for one in _TESTED)
    if _TESTED[0] <= sys.version_info[:2] <= _TESTED[1]:
        return Finding(State.OK, "python", f"{version} at {sys.executable}", {"version": version})
    text = f"{version} at {sys.executable}; rl_nas is tested with {first} to {last}"
    return Finding(State.WARNING, "python", text, {"version": version})


def packages() -> Finding:
    """Whether the packages that rl_nas needs are installed in versions that it works with."""
    unmet = []
    for line in metadata.requires("rl_nas") or ():
        try:
            needed = Requirement(line)
        except InvalidRequirement:
            continue
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            found = _version(needed.name)
            if found is None or not needed.specifier.contains(found, prereleases=True):
                unmet.append(f"{needed.name} {found or 'is missing'}, {needed.specifier} is needed")
    versions = {name: _version(name) for name in ("rl_nas", *_SHOWN)}
    if unmet:
        text = f"{'; '.join(unmet)}; reinstall rl_nas with pip, which brings them"
        return Finding(State.PROBLEM, "packages", text, versions)
    return Finding(State.OK, "packages", ", ".join(f"{name} {version}" for name, version in versions.items()), versions)


def memory(workers: int) -> Finding:
    """Memory of the machine, and a worker's share.

    Args:
        workers: of the search.
    """
    total, free = machine_memory(), int(psutil.virtual_memory().available)
    share = min(total, free) // workers
    figures = {"total": total, "available": free, "workers": workers}
    text = f"{size_text(total)}, {size_text(free)} of it available"
    if share < _LITTLE_MEMORY:
        text += f", {size_text(share)} for each of {workers} workers; TensorFlow needs about 1 GiB: lower --workers"
        return Finding(State.WARNING, "memory", text, figures)
    return Finding(State.OK, "memory", text, figures)


def disk(folder: Path) -> Finding:
    """Space and speed of the disk of a folder, which need not exist.

    Args:
        folder: of the run.
    """
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    try:
        free = psutil.disk_usage(str(place)).free
        with tempfile.TemporaryDirectory(dir=place, prefix=".rl_nas-doctor-") as made:
            speed = _write_speed(Path(made))
            commit, alone = _commit_seconds(Path(made))
    except OSError as error:
        reason = getattr(error, "strerror", None) or error
        return Finding(State.PROBLEM, "disk", f"{place} cannot be written ({reason}); give another --run_dir")
    text = f"{place}: {size_text(free)} free, {speed / MIB:,.0f} MiB/s, a trial is recorded in {commit * 1000:.1f} ms"
    figures = {"folder": str(place), "free": free, "bytes_per_second": speed, "commit_seconds": commit}
    advice = list(_advice(free, speed, commit, alone))
    state = State.WARNING if advice else State.OK
    return Finding(state, "disk", "; ".join([text, *advice]), figures)


def _advice(free: int, speed: float, commit: float, alone: bool) -> Iterator[str]:
    if free < _LITTLE_DISK:
        yield "make room, or give another --run_dir"
    if speed < _SLOW_DISK or commit > _SLOW_COMMIT:
        yield "a slow disk, perhaps one of the network: give a local --run_dir"
    if alone:
        yield "its file system has no shared memory: rl_nas runs and report see the trials of a search at work later"


def _write_speed(folder: Path) -> float:
    """Bytes a second that reach the disk."""
    content, began = os.urandom(_WRITTEN), time.monotonic()
    with open(folder / "written", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return _WRITTEN / (time.monotonic() - began)


def _commit_seconds(folder: Path) -> tuple[float, bool]:
    """Seconds in which a trial is recorded, and whether the file system is without shared memory."""
    trial = Trial(0, (0,), TrialState.CRASHED, failures=(Failure(TrialState.CRASHED, "x" * 1000),))
    with TrialStore(folder / "trials.sqlite") as store:
        began = time.monotonic()
        for number in range(_COMMITS):
            store.record(replace(trial, index=number))
        return (time.monotonic() - began) / _COMMITS, store.alone


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
