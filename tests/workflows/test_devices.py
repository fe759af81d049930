"""What verbs say that they compute on."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rl_nas.workflows import devices
from rl_nas.workflows.devices import device_line, distribution_line, is_overlooked


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the GPUs that TensorFlow sees; none on this machine otherwise."""
    found: list[str] = []
    monkeypatch.setattr(devices, "_gpus", lambda: found)
    monkeypatch.setattr(devices, "is_overlooked", lambda: False)
    return found


def test_the_cpu_and_its_workers_are_told(gpus: list[str]) -> None:
    assert device_line() == "device: CPU"
    assert device_line(["cpu"], precision="float16") == "device: CPU, 1 worker, float16"
    assert device_line(["cpu", "cpu"]) == "device: CPU, 2 workers"
    assert device_line(why_cpu="always") == "device: CPU, always"


def test_gpus_are_told_by_their_names(gpus: list[str]) -> None:
    gpus += ["NVIDIA A", "NVIDIA B"]
    assert device_line() == "device: GPU NVIDIA A"
    assert device_line(["gpu:0", "gpu:1", "gpu:0"]) == "device: GPU 0 NVIDIA A, GPU 1 NVIDIA B, 3 workers"
    assert device_line(["gpu:1", "cpu"]) == "device: GPU 1 NVIDIA B, CPU, 2 workers"


def test_the_devices_of_a_full_training_are_told(gpus: list[str]) -> None:
    assert distribution_line(tf.distribute.get_strategy(), "bfloat16") == "device: CPU, bfloat16"

    class Mirrored:
        num_replicas_in_sync = 2

    strategy: Any = Mirrored()
    assert distribution_line(strategy, "float32") == "device: CPU, 2 replicas, float32"
    gpus += ["NVIDIA A", "NVIDIA A"]
    assert distribution_line(strategy, "float16") == "device: 2 GPUs NVIDIA A, float16"


def test_how_to_use_a_gpu_is_told_only_where_there_is_one(gpus: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "is_overlooked", lambda: True)
    assert device_line(["cpu"]) == (
        "device: CPU, 1 worker; no GPU seen by TensorFlow, but this machine has one: pip install 'tensorflow[and-cuda]'"
    )
    gpus.append("NVIDIA A")
    assert device_line() == "device: GPU NVIDIA A"


@pytest.mark.parametrize("trace", ["proc/driver/nvidia/version", "dev/nvidia0", "bin/nvidia-smi"])
def test_a_gpu_is_overlooked_unless_it_is_hidden(trace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert not is_overlooked(tmp_path)
    (tmp_path / trace).parent.mkdir(parents=True)
    (tmp_path / trace).touch(mode=0o755)
    assert is_overlooked(tmp_path)
    for hidden in ("-1", ""):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert not is_overlooked(tmp_path)
