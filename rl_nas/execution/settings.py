"""Settings of how children are run."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class ExecutionSettings(Settings):
    """Where children run, and what happens when they fail."""

    title: ClassVar[str] = "Execution"

    executor: str = setting(
        "processes",
        "where children run: in worker processes, which no child can take the search down with; in the search's own"
        " process, to debug; on a Ray cluster (pip install 'rl_nas[ray]')",
        choices=("processes", "inline", "ray"),
    )
    workers: int | None = setting(
        None, "children at a time; left out: one for each GPU, without GPUs one for each CPU core", minimum=1
    )
    devices: str | None = setting(
        None, "devices of the workers in turn, such as gpu:0,gpu:1 or cpu; left out: all GPUs, or else the CPU"
    )
    threads_per_worker: int = setting(
        1,
        "CPU threads of a child; its numbers depend on this in the last bits, and so the run, but not on --workers",
        minimum=1,
    )
    children_per_worker: int = setting(
        500, "children after which a worker is replaced by a fresh one, whatever memory it holds", minimum=1
    )
    worker_memory_gib: float | None = setting(
        None,
        "GiB a worker may hold: a child that goes over it is ended (oom), and after a child a worker over half of it"
        " is replaced; left out: an equal share of 90% of the machine's memory",
        above=0,
    )
    async_updates: bool = setting(
        False,
        "keep every worker busy: the strategy learns from what has arrived, so that its proposals depend on how long"
        " children take; for large clusters",
    )
    child_timeout: float | None = setting(
        None, "seconds a child may take, building included; then it is ended (timeout); left out: any", above=0
    )
    max_attempts: int = setting(2, "attempts at a child that crashed, ran out of memory or lost its machine", minimum=1)
    max_consecutive_failures: int = setting(
        20, "children in a row that fail, other than as invalid, until the search stops and shows the first's log",
        minimum=1,
    )  # fmt: skip
    ray_address: str | None = setting(
        None, "address of a running Ray cluster, auto for the one of this machine; left out: one is started here"
    )
    gpus_per_child: float = setting(0.0, "GPUs of a child on a Ray cluster; may be a part of one", minimum=0)
