"""Several children on one GPU: the memory of each, and as many as the load of the first ones asks for."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hostile import measurement
from watchdog import TIMEOUT

from rl_nas.commands import search
from rl_nas.errors import UsageError
from rl_nas.execution.devices import worker_devices
from rl_nas.execution.gpu_sharing import GpuLoad, memory_of_each, most_children
from rl_nas.execution.nvidia_smi import GpuState, gpu_states
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.exit_codes import WRONG_USE
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Job
from rl_nas.units import GIB, MIB
from rl_nas.workflows import children
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.tensorflow_setup import load_tensorflow


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a program `nvidia-smi` that prints lines, and notes its arguments in the file that is returned."""

    def write(*lines: str, code: int = 0) -> Path:
        noted, program = tmp_path / "arguments", tmp_path / "nvidia-smi"
        printed = "\n".join(f"echo '{line}'" for line in lines)
        program.write_text(f'#!/bin/sh\necho "$@" > {noted}\n{printed}\nexit {code}\n')
        program.chmod(0o755)
        return noted

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return write


def test_what_the_driver_tells_of_gpus(driver: Callable[..., Path]) -> None:
    arguments = driver("81000, 37", "  512, [N/A]")
    assert gpu_states(["0", "GPU-1a"]) == [GpuState(81000 * MIB, 0.37), GpuState(512 * MIB, None)]
    assert arguments.read_text().split() == [
        *("--query-gpu=memory.free,utilization.gpu", "--format=csv,noheader,nounits", "--id=0,GPU-1a")
    ]


@pytest.mark.parametrize(
    ("lines", "code"), [(("100, 5",), 0), (("No devices were found",), 6), (("[N/A], 3", "4, 5"), 0), ((), 0)]
)
def test_a_driver_that_does_not_tell(lines: Sequence[str], code: int, driver: Callable[..., Path]) -> None:
    driver(*lines, code=code)
    assert gpu_states(["0", "1"]) == []


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_states(["0"]) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"children_per_gpu": "many"}, "expected auto, or a whole number from 1 to 64"),
        ({"children_per_gpu": "0"}, "expected auto, or a whole number from 1 to 64"),
        ({"children_per_gpu": "65"}, "expected auto, or a whole number from 1 to 64"),
        ({"children_per_gpu": "9" * 5000}, "expected auto, or a whole number from 1 to 64"),
        ({"children_per_gpu": "2", "executor": "ray"}, "give --gpus_per_child, a fraction, instead"),
        ({"children_per_gpu": "auto", "executor": "inline"}, "not for --executor=inline: leave it out"),
        ({"children_per_gpu": "2", "workers": 4}, "--workers=4 exclude each other"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExecutionSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "gpus", "expected"),
    [
        ({"children_per_gpu": "3"}, 2, ["gpu:0", "gpu:1"] * 3),
        ({"children_per_gpu": "2", "devices": "gpu:1"}, 2, ["gpu:1"] * 2),
        ({"children_per_gpu": "auto"}, 2, ["gpu:0", "gpu:1"]),
        ({"children_per_gpu": "auto", "threads_per_worker": 10_000}, 0, ["cpu"]),
    ],
)
def test_workers_on_each_gpu(settings: dict[str, Any], gpus: int, expected: list[str]) -> None:
    assert worker_devices(ExecutionSettings(**settings), gpus) == expected


@pytest.mark.parametrize(
    ("settings", "gpus", "message"),
    [
        ({"children_per_gpu": "2"}, 0, "--children_per_gpu=2: TensorFlow sees no GPU here; leave it out"),
        ({"children_per_gpu": "auto", "devices": "gpu:0,cpu"}, 1, "--children_per_gpu=auto: --devices names the CPU"),
    ],
)
def test_children_that_have_no_gpu_to_share(settings: dict[str, Any], gpus: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        worker_devices(ExecutionSettings(**settings), gpus)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with memory for 64 workers."""
    monkeypatch.setattr("rl_nas.execution.gpu_sharing.machine_memory", lambda: 256 * GIB)


def test_shares_and_needs_fill_the_memory_that_is_free_and_no_more() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        free, needed = int(rng.integers(2 * GIB, 140 * GIB)), int(rng.integers(MIB, 20 * GIB))
        states = [GpuState(free, 0.5), GpuState(free + GIB, None)]
        most = most_children(states, needed, cores=64)
        assert 1 <= most <= 8
        fits = free // most - GIB >= needed
        assert fits or most == 1
        if fits:
            assert needed <= memory_of_each(states, most, needed) <= free // most
        if most < 8:
            with pytest.raises(UsageError, match=f"--children_per_gpu={most + 1}: a large child takes about"):
                memory_of_each(states, most + 1, needed)


def test_a_child_has_a_core_and_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [GpuState(140 * GIB, 0.1)] * 2
    assert most_children(gpus[:1], MIB, cores=3) == 3
    assert most_children(gpus, MIB, cores=7) == 3
    assert most_children([], MIB, cores=3) == 1
    monkeypatch.setattr("rl_nas.execution.gpu_sharing.machine_memory", lambda: 17 * GIB)
    assert most_children(gpus[:1], MIB, cores=64) == 4
    assert most_children(gpus, MIB, cores=64) == 2


def test_a_number_needs_the_memory_of_the_gpus() -> None:
    with pytest.raises(UsageError, match="nvidia-smi, of NVIDIA's driver, does not tell"):
        memory_of_each([], 2, MIB)


class Gpus:
    """GPUs whose load is given, and a clock that runs on with each look at them."""

    def __init__(self, loads: Sequence[float | None], monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self._loads = 0.0, loads
        self.told: list[str] = []
        monkeypatch.setattr("rl_nas.execution.gpu_sharing.time.monotonic", lambda: self.now)

    def states(self) -> list[GpuState]:
        return [GpuState(GIB, load) for load in self._loads]

    def watch(self, load: GpuLoad, looks: int, working: int) -> None:
        for _ in range(looks):
            self.now += 2.0
            load.look(working)


@pytest.mark.parametrize(
    ("loads", "most", "children"),
    [
        ((1.0,), 8, 1),
        ((0.9,), 8, 1),
        ((0.6,), 8, 2),
        ((0.45,), 8, 2),
        ((0.2, 0.4), 8, 3),
        ((0.05,), 8, 8),
        ((0.0,), 8, 8),
        ((0.1,), 2, 2),
    ],
)
def test_as_many_children_as_fill_a_gpu(
    loads: Sequence[float], most: int, children: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = Gpus(loads, monkeypatch)
    load = GpuLoad(len(loads), most, gpus.states, gpus.told.append)
    assert load.workers == len(loads)
    gpus.watch(load, 10, working=len(loads))
    for _ in loads:
        assert load.workers == len(loads)
        load.end()
    assert load.workers == children * len(loads)
    assert gpus.told == [
        f"children per GPU: {children}, as one keeps a GPU busy {sum(loads) / len(loads):.0%} of its time"
    ]
    gpus.watch(load, 10, working=len(loads))
    load.end()
    assert len(gpus.told) == 1


def test_a_load_is_that_of_gpus_that_all_have_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus((0.1, 0.1), monkeypatch)
    load = GpuLoad(2, 4, gpus.states, gpus.told.append)
    gpus.watch(load, 30, working=1)
    for _ in range(5):
        load.end()
    assert (load.workers, gpus.told) == (2, [])
    gpus.watch(load, 4, working=2)
    load.end()  # there were too few looks
    assert load.workers == 2
    gpus.watch(load, 1, working=2)
    load.end()
    assert load.workers == 8


@pytest.mark.parametrize("loads", [(None,), ()])
def test_a_load_that_is_not_told(loads: Sequence[None], monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus(loads, monkeypatch)
    load = GpuLoad(1, 4, gpus.states, gpus.told.append)
    gpus.watch(load, 20, working=1)
    load.end()
    assert load.workers == 1
    assert gpus.told == ["children per GPU: 1, as nvidia-smi does not tell how busy the GPUs are"]


def test_workers_are_opened_while_children_are_evaluated(tmp_path: Path) -> None:
    class Load:
        """Opens two further workers when the first child has ended."""

        workers = 1

        def look(self, working: int) -> None:
            assert working <= self.workers

        def end(self) -> None:
            seen.append(executor.workers)
            self.workers = 3

    seen: list[tuple[int, int]] = []
    work, spec = [Job(index, (0, index), index) for index in range(12)], EvaluatorSpec("hostile:make", {"folder": ""})
    with ProcessExecutor(spec, 3, memory=300 * MIB, timeout=TIMEOUT, load=Load()) as executor:  # type: ignore[arg-type]
        found = list(executor.run(work))
    assert [(one.job, one.measurement) for one in sorted(found, key=lambda one: one.job.index)] == [
        (job, measurement(job)) for job in work
    ]
    assert seen[0] == (0, 1)
    assert all(of == 3 for _, of in seen[1:])
    assert max(busy for busy, _ in seen) == 2  # beside the one that has just ended


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, as far as TensorFlow lists them, and 16 cores."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(children, "worker_devices", lambda settings, gpus: worker_devices(settings, 2))
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    for kind in ("intra", "inter"):  # TensorFlow refuses it where other tests have computed
        monkeypatch.setattr(tf.config.threading, f"set_{kind}_op_parallelism_threads", lambda threads: None)


@pytest.mark.parametrize(("wanted", "each", "workers"), [("4", 19 * GIB, 8), ("auto", 9 * GIB, 16)])
@pytest.mark.usefixtures("two_gpus")
def test_memory_is_divided_before_children_begin(
    wanted: str, each: int, workers: int, driver: Callable[..., Path], tmp_path: Path
) -> None:
    driver(f"{80 * 1024}, 0", f"{81 * 1024}, 0")
    made = children.Children(ExecutionSettings(children_per_gpu=wanted), SearchFolder(tmp_path), hide_gpus=False)
    assert made.share_gpus
    made.divide_gpus(2 * GIB)
    assert made.cores_per_gpu == 16 // workers
    assert made._gpu_memory == each
    assert len(made._devices) == workers
    with pytest.raises(UsageError, match="a large child takes about"):
        children.Children(ExecutionSettings(children_per_gpu="9"), SearchFolder(tmp_path)).divide_gpus(8 * GIB)


@pytest.mark.parametrize(("wanted", "measured"), [("2", False), ("auto", True)])
@pytest.mark.usefixtures("two_gpus")
def test_a_load_is_measured_once_for_all_that_a_search_executes(
    wanted: str, measured: bool, driver: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(f"{80 * 1024}, 0", f"{80 * 1024}, 0")
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(children, "ProcessExecutor", lambda *words, **options: given.append(options))
    made = children.Children(ExecutionSettings(children_per_gpu=wanted), SearchFolder(tmp_path), hide_gpus=False)
    made.divide_gpus(2 * GIB)
    for rehearsal in (None, None, 1.0):
        made.executor(SearchConfig(), rehearsal)
    first, *others = (options["load"] for options in given)
    assert (first is not None) == measured
    assert all(load is first for load in others)
    assert given[0]["environments"][:3] == [{"CUDA_VISIBLE_DEVICES": number} for number in "010"]


@pytest.mark.usefixtures("two_gpus")
def test_children_that_fill_the_memory_are_alone(driver: Callable[..., Path], tmp_path: Path) -> None:
    driver("4096, 0", "4096, 0")
    made = children.Children(ExecutionSettings(children_per_gpu="auto"), SearchFolder(tmp_path), hide_gpus=False)
    made.divide_gpus(3 * GIB)
    assert (made._devices, made._gpu_memory) == (["gpu:0", "gpu:1"], None)


@pytest.mark.usefixtures("two_gpus")
def test_a_search_refuses_children_that_do_not_fit(
    driver: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver("2050, 0", "2050, 0")
    needed = []
    for batch in (64, 128, 192):
        flags = ["--flagfile=flags/digits.cfg", f"--batch_size={batch}", "--children_per_gpu=2"]
        assert search.main([*flags, f"--run_dir={tmp_path / 'run'}"]) == WRONG_USE
        told = re.findall(
            r"--children_per_gpu=2: a large child takes about ([0-9.]+) MiB, and 1.0 GiB beside it; of 2.0 GiB that are"
            r" free on a GPU this is enough for 1: give fewer, or a smaller --batch_size",
            capsys.readouterr().err,
        )
        needed += map(float, told)
    assert needed[0] < needed[1]
    assert needed[1] - needed[0] == pytest.approx(needed[2] - needed[1], abs=0.2)  # as printed
    assert not (tmp_path / "run").exists()


def test_a_worker_allocates_its_part_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: dict[str, list[Any]] = {}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    monkeypatch.setattr(tf.config, "set_logical_device_configuration", parts.__setitem__)
    load_tensorflow(gpu_memory=3 * GIB)
    assert parts == {"a GPU": [tf.config.LogicalDeviceConfiguration(memory_limit=3 * 1024)]}
