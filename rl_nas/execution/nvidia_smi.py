"""What NVIDIA's driver tells of GPUs: their free memory, and the part of the time in which they compute."""

import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from rl_nas.units import MIB

_COMMAND = ("nvidia-smi", "--query-gpu=memory.free,utilization.gpu", "--format=csv,noheader,nounits")
_PATIENCE = 60.0
"""Seconds: without its daemon the driver may take several to start."""


class GpuState(NamedTuple):
    """A GPU as it is now.

    Attributes:
        free: bytes of its memory.
        busy: part of the last moments, a second at most, in which it computed anything; None: it is not told.
    """

    free: int
    busy: float | None


def gpu_states(numbers: Sequence[str]) -> list[GpuState]:
    """The states of GPUs; of none if the driver's tool is missing, or tells them of fewer.

    Args:
        numbers: of the GPUs, or their identifiers, as in CUDA_VISIBLE_DEVICES.
    """
    try:
        done = subprocess.run(
            [*_COMMAND, f"--id={','.join(numbers)}"], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        states = [_state(line) for line in done.stdout.splitlines() if line.strip()]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return states if done.returncode == 0 and len(states) == len(set(numbers)) else []


def _state(line: str) -> GpuState:
    free, busy = (word.strip() for word in line.split(","))
    return GpuState(int(free) * MIB, int(busy) / 100 if busy.isdecimal() else None)
