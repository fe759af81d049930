"""What a verb computes on, in the same words for all of them. TensorFlow is imported late."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl_nas.report.tables import counted

NO_GPU = "no GPU seen by TensorFlow, but this machine has one: pip install 'tensorflow[and-cuda]'"
_TRACES = ("/proc/driver/nvidia/version", "/dev/nvidia0")
"""Files of NVIDIA's driver."""


def device_line(devices: Sequence[str] | None = None, *, why_cpu: str = "", precision: str = "") -> str:
    """The devices of this process, or of the workers of a search: `device: CPU, 2 workers, float32`.

    Args:
        devices: of each worker, `cpu` or `gpu:` and its number; None: this process computes.
        why_cpu: what is always done on the CPU, if anything is.
        precision: number type that networks are trained in, if any are.
    """
    numbers = f", {precision}" if precision else ""
    if why_cpu:
        return f"device: CPU, {why_cpu}"
    gpus = _gpus()
    if devices is None:
        text = f"GPU {gpus[0]}" if gpus else "CPU"
    else:
        used = [f"GPU {number} {name}" for number, name in enumerate(gpus) if f"gpu:{number}" in devices]
        used += ["CPU"] if "cpu" in devices else []
        text = f"{', '.join(used)}, {counted(len(devices), 'worker')}"
    hint = "" if gpus or not is_overlooked() else f"; {NO_GPU}"
    return f"device: {text}{numbers}{hint}"


def distribution_line(strategy: Any, precision: str) -> str:
    """The devices of a full training, of its `tf.distribute.Strategy`: `device: 2 GPUs NVIDIA H100, bfloat16`."""
    import tensorflow as tf

    replicas = int(strategy.num_replicas_in_sync)
    if isinstance(strategy, tf.distribute.TPUStrategy):
        text = f"TPU, {counted(replicas, 'replica')}"
    elif replicas == 1:
        return device_line(precision=precision)
    elif isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        text = f"{counted(replicas, 'replica')} in several processes"
    else:
        gpus = _gpus()
        text = f"{replicas} GPUs {gpus[0]}" if gpus else f"CPU, {counted(replicas, 'replica')}"
    return f"device: {text}, {precision}"


def is_overlooked(root: Path = Path("/")) -> bool:
    """Whether this machine has a GPU of NVIDIA, and nobody has hidden it.

    Args:
        root: of the file system.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    return any((root / trace.lstrip("/")).exists() for trace in _TRACES) or shutil.which("nvidia-smi") is not None


def _gpus() -> list[str]:
    """The names of the GPUs that TensorFlow sees."""
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [str(one.get("device_name", "of unknown kind")) for one in details]
