"""Memory that a training step takes for each image, measured and estimated (`rl_nas.evaluation.limits`).

    python benchmarks/child_memory.py

Each network is trained for two steps, in processes of their own, with two sizes of batches; what the larger one takes
more, for each image more, is compared with the estimate.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.flags.lists import names_of
from rl_nas.evaluation.limits import training_bytes
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.published import PUBLISHED

IMAGE, CLASSES = (32, 32, 3), 10
MIB = 2**20


@dataclass(frozen=True)
class MemorySettings(Settings):
    """What is measured."""

    title: ClassVar[str] = "Memory"

    genotypes: str = setting("NASNet-A,AmoebaNet-A", "published ones, with commas between")
    small: int = setting(8, "images of the smaller batch", minimum=1)
    large: int = setting(64, "images of the larger batch", minimum=2)
    batch: int | None = setting(None, "measure this one alone, and print it as JSON", minimum=1)


COMMAND = Command(
    name="python benchmarks/child_memory.py",
    summary="compares the memory of training steps with its estimate.",
    examples=("python benchmarks/child_memory.py --cells=4 --filters=32",),
    groups=(MemorySettings, NetworkSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return cli.run(COMMAND, lambda parsed: _run(parsed, argv), argv)


def _run(parsed: Parsed, argv: Sequence[str]) -> int:
    settings, network = parsed.group(MemorySettings), parsed.group(NetworkSettings)
    names = names_of(settings.genotypes, list(PUBLISHED), "genotypes")
    if settings.batch is not None:
        print(json.dumps(_peak(plan_network(PUBLISHED[names[0]], network, IMAGE, CLASSES), settings.batch)))
        return cli.DONE
    print("| network | measured, MiB an image | estimated | ratio |\n| --- | --- | --- | --- |")
    for name in names:
        plan = plan_network(PUBLISHED[name], network, IMAGE, CLASSES)
        more = settings.large - settings.small
        peaks = [_elsewhere(argv, name, batch) for batch in (settings.small, settings.large)]
        estimates = [training_bytes(plan, batch) for batch in (settings.small, settings.large)]
        measured, estimated = ((large - small) / more / MIB for small, large in (peaks, estimates))
        print(f"| {name} | {measured:.1f} | {estimated:.1f} | {estimated / measured:.2f} |", flush=True)
    return cli.DONE


def _elsewhere(argv: Sequence[str], name: str, batch: int) -> Any:
    words = [sys.executable, __file__, *argv, f"--genotypes={name}", f"--batch={batch}"]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def _peak(plan: Plan, batch: int) -> int:
    """Largest memory of this process while it trains, bytes."""
    cli.load_tensorflow(debug=False)
    import tensorflow as tf

    from rl_nas.child.network.planned_model import PlannedModel
    from rl_nas.child.training.settings import TrainingSettings
    from rl_nas.child.training.train_step import TrainStep

    step = TrainStep(PlannedModel(plan, seed=0), TrainingSettings(batch_size=batch), batch, 2)
    train = tf.function(step, autograph=False)
    for _ in range(2):
        train(tf.random.normal([batch, *IMAGE]), tf.zeros([batch], tf.int64))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main(["--network=cifar", "--cells=2", "--filters=16", *sys.argv[1:]]))
