"""Number of workers, and the devices and threads that each of them sees."""

import os
import re

from rl_nas.errors import UsageError
from rl_nas.execution.control_groups import cpu_limit
from rl_nas.execution.memory import machine_memory
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.units import GIB

_WORKER_MEMORY = 2 * GIB
"""Most bytes of a worker with TensorFlow and small images."""
_LEAST_MEMORY = GIB // 4
"""Bytes that no worker does without."""


def worker_devices(settings: ExecutionSettings, gpus: int) -> list[str]:
    """The device of every worker: `cpu`, or `gpu:` and its number.

    Args:
        settings: `workers` and `devices`, if given, and the number of children on each GPU, one where that is measured.
        gpus: GPUs of this machine.

    Raises:
        UsageError: no such device, no GPU for several children, or more workers than the machine could hold.
    """
    if settings.devices is not None:
        devices = [_device(word.strip(), gpus) for word in settings.devices.split(",")]
    else:
        devices = [f"gpu:{number}" for number in range(gpus)] or ["cpu"]
    count = settings.workers
    if settings.per_gpu != 1:
        if "cpu" in devices and (settings.per_gpu or settings.devices is not None):
            where = "--devices names the CPU" if settings.devices is not None else "TensorFlow sees no GPU here"
            raise UsageError(f"--children_per_gpu={settings.children_per_gpu}: {where}; leave it out")
        devices = [*dict.fromkeys(devices)] * (settings.per_gpu or 1)
    if count is None:
        count = len(devices) if "cpu" not in devices else max(len(devices), _cpu_workers(settings.threads_per_worker))
    elif count * _LEAST_MEMORY > machine_memory():
        most = machine_memory() // _LEAST_MEMORY
        raise UsageError(f"--workers={count}: this machine has the memory of at most {most} processes of TensorFlow")
    return [devices[number % len(devices)] for number in range(count)]


def environment_of(device: str, threads: int, visible: str | None = None) -> dict[str, str]:
    """The environment variables by which a worker's TensorFlow sees this device alone.

    Args:
        device: of `worker_devices`.
        threads: of a worker on the CPU.
        visible: CUDA_VISIBLE_DEVICES of this process, which the numbers of GPUs refer to.
    """
    if device == "cpu":
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        return {**dict.fromkeys(names, str(threads)), "CUDA_VISIBLE_DEVICES": "-1"}
    place = int(device.removeprefix("gpu:"))
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[place] if visible else str(place)}


def _device(word: str, gpus: int) -> str:
    match = re.fullmatch(r"gpu:(\d{1,4})", word)
    if word != "cpu" and match is None:
        raise UsageError(f"--devices={word}: expected cpu or gpu:NUMBER, separated by commas")
    if match is not None and int(match[1]) >= gpus:
        raise UsageError(f"--devices={word}: TensorFlow sees {gpus} GPUs here, numbered from 0")
    return word


def _cpu_workers(threads: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cpu_limit()
    cores = cores if limit is None else min(cores, int(limit))
    return max(1, min(cores // threads, machine_memory() // _WORKER_MEMORY))
