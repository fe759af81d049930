"""What a training step of shared weights takes beside that of a child, and what making a child takes beside both.

    cd benchmarks && PYTHONPATH=. python shared_step.py --flagfile=../flags/digits.cfg --children=10

Every step of shared weights has another network and is not traced; a child is traced once, which takes as long as many
steps. One thread, the same random networks and images.
"""

import sys
import time
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
from child_ways import COMMAND as CHILD_COMMAND
from child_ways import Bench, WaySettings

from rl_nas.child.data.settings import AugmentSettings
from rl_nas.commands import cli
from rl_nas.flags.parsing import Command, Parsed

_STEPS = 5

COMMAND = Command(
    name="python benchmarks/shared_step.py",
    summary="measures training steps with shared weights and of children.",
    examples=("python benchmarks/shared_step.py --flagfile=flags/digits.cfg --children=10",),
    groups=CHILD_COMMAND.groups,
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return cli.run(COMMAND, _run, argv)


def _run(parsed: Parsed) -> int:
    cli.load_tensorflow(debug=False)
    import tensorflow as tf

    from rl_nas.child.network.planned_model import PlannedModel
    from rl_nas.child.training.child_training import ChildTrainer, DeviceData, quick_start
    from rl_nas.one_shot.training import OneShotTrainer

    threads = parsed.group(WaySettings).threads
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    bench, augmentation = Bench(parsed), parsed.group(AugmentSettings)
    data = DeviceData(bench.images)
    shared = OneShotTrainer(data, bench.training, augmentation, seed=0)
    indices = np.arange(shared.batch)
    together, making, alone = [], [], []
    for number in range(bench.children):
        plan = bench.plan(number)
        together += _seconds(lambda: shared.step(plan, 0, indices))[1:]  # noqa: B023
        with quick_start():
            started = time.perf_counter()
            trainer = ChildTrainer(PlannedModel(plan, seed=number), data, bench.training, augmentation, number)
            _, *rest = _seconds(lambda: float(trainer.step(indices)))  # noqa: B023
            making.append(time.perf_counter() - started - sum(rest) - mean(rest))
            alone += rest
    print("| step of shared weights, ms | step of a child, ms | ratio | making and tracing a child, ms |")
    print("| --- | --- | --- | --- |")
    ms = [1000 * mean(values) for values in (together, alone, making)]
    print(f"| {ms[0]:.0f} | {ms[1]:.0f} | {ms[0] / ms[1]:.1f} | {ms[2]:.0f} |")
    return cli.DONE


def _seconds(step: Callable[[], float]) -> list[float]:
    """Durations of some steps; the first one meets everything for the first time."""
    durations = []
    for _ in range(1 + _STEPS):
        started = time.perf_counter()
        step()
        durations.append(time.perf_counter() - started)
    return durations


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
