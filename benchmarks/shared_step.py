"""The time of a train step of shared weights beside that of a child, and of making a child beside both.

    python benchmarks/shared_step.py --flagfile=flags/digits.cfg --children=10

Every step of shared weights has another network and is not traced; a child is traced once, which takes as long as many
steps. One thread, the same random networks and images.
"""

import sys
import time
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
from frame import Table, run
from random_children import ChildrenSettings, RandomChildren, tensorflow_with_threads

from rl_nas.flags.parsing import Command, Parsed
from rl_nas.workflows.config import SearchConfig

_STEPS = 5

COLUMNS = {
    "step of shared weights, ms": "{:.0f}".format,
    "step of a child, ms": "{:.0f}".format,
    "ratio": "{:.1f}".format,
    "making and tracing a child, ms": "{:.0f}".format,
}
COMMAND = Command(
    name="python benchmarks/shared_step.py",
    summary="measures training steps with shared weights and of children.",
    examples=("python benchmarks/shared_step.py --flagfile=flags/digits.cfg --children=10",),
    groups=(ChildrenSettings, *SearchConfig.groups()),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, [_row(parsed)]), argv)


def _row(parsed: Parsed) -> tuple[float, ...]:
    settings, config = parsed.group(ChildrenSettings), SearchConfig.from_flags(parsed.values)
    tensorflow_with_threads(settings.threads)
    from rl_nas.child.network.planned_model import PlannedModel
    from rl_nas.child.training.child_training import ChildTrainer, quick_start
    from rl_nas.one_shot.training import OneShotTrainer

    children = RandomChildren(config, settings.children)
    data, objective = children.device_data, children.objective
    shared = OneShotTrainer(data, objective, config.training, config.augmentation, seed=0)
    indices = np.arange(shared.batch)
    together, making, alone = [], [], []
    for job in children.jobs:
        plan = children.plan(job)
        together += _seconds(lambda: shared.step(plan, 0, indices))[1:]  # noqa: B023
        with quick_start():
            started = time.perf_counter()
            model = PlannedModel(plan, seed=job.index)
            trainer = ChildTrainer(model, objective, data, config.training, config.augmentation, job.index)
            _, *rest = _seconds(lambda: float(trainer.step(indices)))  # noqa: B023
            making.append(time.perf_counter() - started - sum(rest) - mean(rest))
            alone += rest
    shared_ms, alone_ms, making_ms = (1000 * mean(values) for values in (together, alone, making))
    return shared_ms, alone_ms, shared_ms / alone_ms, making_ms


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
