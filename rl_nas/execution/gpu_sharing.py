"""Several children on one GPU: the memory of each, and the number that the load of the first ones asks for."""

import time
from collections.abc import Callable, Sequence
from math import ceil

from rl_nas.errors import UsageError
from rl_nas.execution.memory import machine_memory
from rl_nas.execution.nvidia_smi import GpuState
from rl_nas.units import GIB, size_text

_CONTEXT = GIB
"""Bytes of a process on a GPU beside what its TensorFlow allocates: CUDA's context and libraries."""
_MOST = 8
"""Most children for each GPU that are measured to fit: four on an H200 made 1.3 times the images of one."""
_HOST = 4 * GIB
"""Bytes of the machine's memory for a worker with CUDA."""
_FULL = 0.9
"""Part of the time that a GPU is to compute."""
_INTERVAL = 2.0
"""Seconds between two looks at the GPUs."""
_LOOKS = 10
"""Fewest looks before a load is believed."""


def most_children(states: Sequence[GpuState], needed: int, cores: int) -> int:
    """The largest number of children on each GPU for which all have room; 1 at least.

    Each needs its part of the GPU's memory, a core of the CPU, and some of the machine's memory.

    Args:
        states: of the GPUs that are used.
        needed: bytes of a large child, estimated.
        cores: of the CPU, for all GPUs.
    """
    if not states:
        return 1
    free = min(state.free for state in states)
    on_machine = min(cores, machine_memory() // _HOST) // len(states)
    return max(1, min(_MOST, on_machine, free // (needed + _CONTEXT)))


def memory_of_each(states: Sequence[GpuState], children: int, needed: int) -> int:
    """Bytes that each of so many children on a GPU may allocate, the same on all GPUs.

    Args:
        states: of the GPUs that are used.
        children: at a time on each.
        needed: bytes of a large child, estimated.

    Raises:
        UsageError: it would need more, or nobody tells how much memory there is.
    """
    given = f"--children_per_gpu={children}"
    if not states:
        raise UsageError(f"{given}: nvidia-smi, of NVIDIA's driver, does not tell the memory of the GPUs; leave it out")
    free = min(state.free for state in states)
    each = free // children - _CONTEXT
    if each < needed:
        fit = max(1, free // (needed + _CONTEXT))
        raise UsageError(
            f"{given}: a large child takes about {size_text(needed)}, and {size_text(_CONTEXT)} beside it; of"
            f" {size_text(free)} that are free on a GPU this is enough for {fit}: give fewer, or a smaller --batch_size"
        )
    return each


class GpuLoad:
    """Opens as many workers on GPUs as their load asks for, measured while each GPU has one child.

    A child leaves a GPU idle while it is built and traced, and between small kernels; another one can use that time.
    What processes compute on one GPU takes turns, so that children beyond a full load only wait.

    Args:
        gpus: number of GPUs; workers are on them in turn.
        most: workers for each GPU.
        states: tells those of the GPUs.
        tell: shows what was decided.
    """

    def __init__(
        self, gpus: int, most: int, states: Callable[[], Sequence[GpuState]], tell: Callable[[str], None]
    ) -> None:
        self.workers = gpus
        self._gpus, self._most, self._states, self._tell = gpus, most, states, tell
        self._looked, self._ended = -_INTERVAL, 0
        self._loads: list[float] = []
        self._decided = False

    def look(self, working: int) -> None:
        """Measures the load if all GPUs have a child, now and then.

        Args:
            working: children that are evaluated now.
        """
        now = time.monotonic()
        if self._decided or working < self._gpus or now - self._looked < _INTERVAL:
            return
        self._looked = now
        states = self._states()
        loads = [state.busy for state in states if state.busy is not None]
        if not loads or len(loads) < len(states):
            self._decided = True
            self._tell("children per GPU: 1, as nvidia-smi does not tell how busy the GPUs are")
            return
        self._loads += loads

    def end(self) -> None:
        """Counts a child that has ended; decides when there were enough."""
        self._ended += 1
        if self._decided or self._ended < self._gpus or len(self._loads) < _LOOKS:
            return
        self._decided = True
        load = sum(self._loads) / len(self._loads)
        children = self._most if load * self._most <= _FULL else min(self._most, ceil(_FULL / load))
        self.workers = children * self._gpus
        self._tell(f"children per GPU: {children}, as one keeps a GPU busy {load:.0%} of its time")
