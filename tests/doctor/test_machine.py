"""Checks of Python, packages, memory and disk, against machines that have something wrong."""

import sys
from pathlib import Path

import psutil
import pytest

from rl_nas.doctor import machine
from rl_nas.doctor.finding import Finding, State, document, has_problem, line
from rl_nas.errors import StorageError
from rl_nas.units import GIB


def test_this_machine_runs_rl_nas() -> None:
    assert machine.python().state is State.OK
    found = machine.packages()
    assert found.state is State.OK
    assert found.figures["numpy"] in found.text


def test_an_untested_python_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    found = machine.python()
    assert found.state is State.WARNING
    assert "3.99.0" in found.text
    assert "tested with 3.11 to 3.13" in found.text


@pytest.mark.parametrize(
    ("requirement", "named"),
    [
        ("no-such-package>=1", "no-such-package is missing, >=1 is needed"),
        ("numpy>=999", ">=999 is needed"),
    ],
)
def test_a_package_that_does_not_fit_is_a_problem(
    requirement: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.metadata, "requires", lambda name: [requirement, "other; extra == 'other'"])
    found = machine.packages()
    assert found.state is State.PROBLEM
    assert named in found.text
    assert "other" not in found.text


def test_little_memory_for_each_worker_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "machine_memory", lambda: 64 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("", (), {"available": 9 * GIB}))
    assert machine.memory(4).state is State.OK
    found = machine.memory(9)
    assert found.state is State.WARNING
    assert "1.0 GiB for each of 9 workers" in found.text


def test_a_disk_is_written_and_left_as_it_was(tmp_path: Path) -> None:
    found = machine.disk(tmp_path / "to" / "be" / "made")
    assert found.figures["folder"] == str(tmp_path)
    assert found.figures["bytes_per_second"] > 0
    assert found.figures["commit_seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> float:
        raise StorageError("database is locked")

    assert machine.disk(Path("/proc/run")).state is State.PROBLEM
    monkeypatch.setattr(machine, "_commit_seconds", fail)
    found = machine.disk(tmp_path)
    assert found.state is State.PROBLEM
    assert "database is locked" in found.text


@pytest.mark.parametrize(
    ("free", "speed", "commit", "advice"),
    [
        (GIB // 2, 1e9, 0.001, "make room"),
        (100 * GIB, 1e6, 0.001, "local --run_dir"),
        (100 * GIB, 1e9, 2.0, "local --run_dir"),
    ],
)
def test_a_full_or_slow_disk_is_a_warning(
    free: int, speed: float, commit: float, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "disk_usage", lambda place: type("", (), {"free": free}))
    monkeypatch.setattr(machine, "_write_speed", lambda folder: speed)
    monkeypatch.setattr(machine, "_commit_seconds", lambda folder: (commit, False))
    found = machine.disk(tmp_path)
    assert found.state is State.WARNING
    assert advice in found.text


def test_findings_as_lines_and_as_json() -> None:
    good, warned = Finding(State.OK, "python", "3.12"), Finding(State.WARNING, "disk", "slow\x1b; give another")
    bad = Finding(State.PROBLEM, "data", "none", {"images": 0})
    assert line(good) == "ok       python: 3.12"
    assert line(warned) == "warning  disk: slow\\x1b; give another"
    assert document([good])["state"] == "ok"
    assert document([good, warned])["state"] == "warning"
    assert document([good, bad, warned])["state"] == "problem"
    assert document([bad])["checks"] == [
        {"state": "problem", "check": "data", "text": "none", "figures": {"images": 0}}
    ]
    assert has_problem([good, bad])
    assert not has_problem([good, warned])
