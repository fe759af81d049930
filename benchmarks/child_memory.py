"""Memory that a training step takes for each image, measured and estimated (`rl_nas.evaluation.limits`).

    python benchmarks/child_memory.py

Each network is trained for two steps, in processes of their own, with two sizes of batches; what the larger one takes
more, for each image more, is compared with the estimate.
"""

import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from frame import Table, in_new_process, run

from rl_nas.child.training.settings import TrainingSettings
from rl_nas.evaluation.limits import training_bytes
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.task import Classification
from rl_nas.workflows.tensorflow_setup import load_tensorflow

IMAGE, TASK = (32, 32, 3), Classification()
PROBLEM = TASK.problem([*map(str, range(10))])
SMALL_NETWORKS = ("--network=cifar", "--cells=2", "--filters=16")
"""Flags that others win over."""
MIB = 2**20

COLUMNS = {
    "network": str,
    "measured, MiB an image": "{:.1f}".format,
    "estimated": "{:.1f}".format,
    "ratio": "{:.2f}".format,
}


@dataclass(frozen=True)
class MemorySettings(Settings):
    """The memory to measure."""

    title: ClassVar[str] = "Memory"

    genotypes: str = setting("NASNet-A,AmoebaNet-A", "published ones, with commas between")
    small: int = setting(8, "images of the smaller batch", minimum=1)
    large: int = setting(64, "images of the larger batch", minimum=2)


COMMAND = Command(
    name="python benchmarks/child_memory.py",
    summary="compares the memory of training steps with its estimate.",
    examples=("python benchmarks/child_memory.py --cells=4 --filters=32",),
    groups=(MemorySettings, NetworkSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, (*SMALL_NETWORKS, *argv))


def _table(parsed: Parsed) -> Table:
    settings, network = parsed.group(MemorySettings), parsed.group(NetworkSettings)
    names = names_of(settings.genotypes, list(PUBLISHED), "genotypes")
    plans = {name: plan_network(PUBLISHED[name], network, IMAGE, TASK.head(PROBLEM)) for name in names}
    return Table(COLUMNS, _rows(plans, (settings.small, settings.large)))


def _rows(plans: dict[str, Plan], batches: tuple[int, int]) -> Iterator[tuple[Any, ...]]:
    for name, plan in plans.items():
        peaks = [in_new_process(_peak, plan, batch) for batch in batches]
        estimates = [training_bytes(plan, batch) for batch in batches]
        measured, estimated = ((large - small) / (batches[1] - batches[0]) / MIB for small, large in (peaks, estimates))
        yield name, measured, estimated, estimated / measured


def _peak(plan: Plan, batch: int) -> int:
    """Largest memory of this process while it trains, bytes."""
    load_tensorflow()
    import tensorflow as tf

    from rl_nas.child.network.planned_model import PlannedModel
    from rl_nas.child.training.train_step import TrainStep

    objective = TASK.objective(PROBLEM)
    step = TrainStep(PlannedModel(plan, seed=0), objective, TrainingSettings(batch_size=batch), batch, 2)
    train = tf.function(step, autograph=False)
    for _ in range(2):
        train(tf.random.normal([batch, *IMAGE]), tf.zeros([batch], tf.int64))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
