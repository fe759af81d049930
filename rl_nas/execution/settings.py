"""Settings of the execution of children."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting

_MOST_PER_GPU = 64
START_TIMEOUT = 3600.0
"""Default of `worker_start_timeout`: far beyond what TensorFlow needs on a busy machine, or images that are decoded."""


@dataclass(frozen=True)
class ExecutionSettings(Settings):
    """Execution of children, and handling of their failures."""

    title: ClassVar[str] = "Execution"

    executor: str = setting(
        "processes",
        "processes: run children in worker processes, so that none can crash the search; inline: in the search's own"
        " process, for debugging; ray: on a Ray cluster (extra `ray`)",
        choices=("processes", "inline", "ray"),
    )
    workers: int | None = setting(
        None,
        "children at a time; left out: one for each GPU, or for each CPU core if there is none",
        minimum=1,
        maximum=10_000,
    )
    devices: str | None = setting(
        None,
        "devices of the workers in turn, such as gpu:0,gpu:1 or cpu; left out: all GPUs, or the CPU if none",
    )
    children_per_gpu: str = setting(
        "1",
        "children at a time on each GPU, in equal shares of its memory: a number, or auto, which measures how busy the"
        " first children keep the GPUs; children do not depend on it",
    )
    threads_per_worker: int = setting(
        1,
        "CPU threads of a child; results depend on this in the last bits, but not on --workers",
        minimum=1,
        maximum=10_000,
    )
    children_per_worker: int = setting(
        500, "children after which a worker is replaced by a fresh one, whatever memory it holds", minimum=1
    )
    worker_memory_gib: float | None = setting(
        None,
        "GiB that a worker may hold, with the processes that it starts: a child that exceeds it is killed (oom), and a"
        " worker that holds over half of it after a child is replaced; left out: an equal part of 90% of the machine's"
        " memory",
        above=0,
        maximum=1e6,
    )
    async_updates: bool = setting(
        False,
        "keep every worker busy: the strategy learns from trials as they arrive, so that proposals depend on how long"
        " children take; for large clusters",
    )
    child_timeout: float | None = setting(
        None,
        "seconds after which a child, building included, is killed (timeout); left out: no limit",
        above=0,
        maximum=1e8,
    )
    max_attempts: int = setting(
        2, "attempts at a child that crashed, ran out of memory or lost its machine", minimum=1, maximum=1000
    )
    worker_start_timeout: float = setting(
        START_TIMEOUT, "seconds after which a worker that is not ready for children is replaced", above=0, maximum=1e8
    )
    max_consecutive_failures: int = setting(
        20,
        "failed children in a row, invalid ones and those over a limit aside, after which the search stops and shows"
        " the first one's log",
        minimum=1,
    )  # fmt: skip
    ray_address: str | None = setting(
        None, "address of a running Ray cluster, auto for this machine's; left out: start one here"
    )
    gpus_per_child: float = setting(0.0, "GPUs of a child on a Ray cluster; may be a fraction", minimum=0, maximum=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = f"--children_per_gpu={self.children_per_gpu}"
        if self.children_per_gpu == "1":
            return
        if self.per_gpu is not None and not 1 <= self.per_gpu <= _MOST_PER_GPU:
            raise UsageError(f"{given}: expected auto, or a whole number from 1 to {_MOST_PER_GPU}")
        if self.executor != "processes":
            other = "give --gpus_per_child, a fraction, instead" if self.executor == "ray" else "leave it out"
            raise UsageError(f"{given} is for worker processes, not for --executor={self.executor}: {other}")
        if self.workers is not None:
            raise UsageError(f"{given} and --workers={self.workers} exclude each other: leave one out")

    @property
    def per_gpu(self) -> int | None:
        """Children at a time on each GPU; None: it is measured."""
        if self.children_per_gpu == "auto":
            return None
        return int(self.children_per_gpu) if self.children_per_gpu.isdecimal() and len(self.children_per_gpu) < 4 else 0
