"""Limits of control groups, nested ones too, in trees of files as kernels show them."""

from pathlib import Path

import pytest

from rl_nas.execution.control_groups import cpu_limit, memory_limit
from rl_nas.execution.devices import worker_devices
from rl_nas.execution.memory import machine_memory
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.units import GIB, MIB


def limits(tmp_path: Path, own: str, files: dict[str, str]) -> tuple[int | None, float | None]:
    (tmp_path / "own").write_text(own)
    for name, content in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(content + "\n")
    where = tmp_path / "groups", tmp_path / "own"
    return memory_limit(*where), cpu_limit(*where)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, (None, None)),
        ("0::/\n", {"memory.max": "max", "cpu.max": "max 100000"}, (None, None)),
        ("0::/\n", {"memory.max": "1048576", "cpu.max": "50000 100000"}, (MIB, 0.5)),
        (
            "0::/pods/one/container\n",
            {"pods/memory.max": "max", "pods/one/memory.max": "2097152", "pods/one/container/memory.max": "max"},
            (2 * MIB, None),
        ),
        (
            "0::/job/step\n",
            {"job/memory.max": "3145728", "job/step/memory.max": "1048576", "job/cpu.max": "150000 100000"},
            (MIB, 1.5),
        ),
        ("0::/../../elsewhere\n", {"memory.max": "1048576", "elsewhere/memory.max": "1"}, (MIB, None)),
        (
            "12:memory:/docker/a\n7:cpu,cpuacct:/docker/a\n1:name=systemd:/\n",
            {
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "memory/docker/a/memory.limit_in_bytes": "1048576",
                "cpu,cpuacct/docker/a/cpu.cfs_quota_us": "200000",
                "cpu,cpuacct/docker/a/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            (MIB, 2.0),
        ),
        ("what is this", {"memory.max": "1"}, (None, None)),
    ],
)
def test_the_least_limit_of_all_groups_around_holds(
    own: str, files: dict[str, str], expected: tuple[int | None, float | None], tmp_path: Path
) -> None:
    assert limits(tmp_path, own, files) == expected


def test_without_control_groups_there_are_no_limits(tmp_path: Path) -> None:
    assert memory_limit(tmp_path, tmp_path / "absent") is None
    assert cpu_limit(tmp_path, tmp_path / "absent") is None


@pytest.mark.parametrize(("cpus", "workers"), [(0.5, 1), (1.9, 1), (3.0, 3), (None, 8)])
def test_workers_fit_the_limits(cpus: float | None, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl_nas.execution.memory.memory_limit", lambda: None)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"total": 64 * GIB}))
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.setattr("rl_nas.execution.devices.cpu_limit", lambda: cpus)
    assert len(worker_devices(ExecutionSettings(), 0)) == workers
    monkeypatch.setattr("rl_nas.execution.memory.memory_limit", lambda: GIB)
    assert machine_memory() == GIB
    assert len(worker_devices(ExecutionSettings(), 0)) == 1
