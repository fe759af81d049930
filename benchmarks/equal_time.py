"""What batches in flight cost and gain: the best reward after equal times, on a table.

    python benchmarks/equal_time.py --table=nasbench201.npz --reward_column=ep12_cifar10_valid

A simulation: children are looked up, and sleep for log-normal times on a clock that is not waited for. Times are in
medians of a child; what the search itself computes takes none. Every setting has the same seeds.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from executors import SimulatedWorkers, numbers_of
from frame import Table, estimate_text, run, strategies_of

from rl_nas.bench.table import Table as BenchTable
from rl_nas.bench.table_files import load_table
from rl_nas.checkpoint import Checkpoint
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import quality
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.ordered import search
from rl_nas.settings import Settings, setting
from rl_nas.statistics import estimate
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.trial import Job, Measurement, Trial


@dataclass(frozen=True)
class EqualTimeSettings(Settings):
    """The searches to simulate."""

    title: ClassVar[str] = "Equal times"

    table: str = setting("", "an .npz table")
    reward_column: str = setting("", "column that is maximized")
    strategies: str = setting("gp", "with commas between")
    workers: int = setting(8, "children at a time", minimum=1)
    settings: str = setting(
        "20x1,10x1,10x2,5x1,5x2,5x4,5",
        "updates, with commas between: proposals of a batch x batches in flight; only the former: asynchronous",
    )
    times: str = setting("5,10,20", "medians of a child after which rewards are compared, with commas between")
    runs: int = setting(20, "of each setting", minimum=1)
    sigma: float = setting(0.5, "standard deviation of the logarithm of the seconds of a child", minimum=0)


COMMAND = Command(
    name="python benchmarks/equal_time.py",
    summary="compares searches with several batches in flight after equal times.",
    examples=("python benchmarks/equal_time.py --table=nasbench201.npz --reward_column=ep12_cifar10_valid",),
    groups=(EqualTimeSettings,),
)


class Clocked(SimulatedWorkers):
    """Workers whose searches compute in no time; the outcome of each child has the time of its end."""

    def __init__(self, workers: int, sigma: float, evaluate: Callable[[Job], Measurement]) -> None:
        super().__init__(workers, 1.0, sigma, evaluate)

    def _computed(self, seconds: float) -> None:
        """Nothing: the same searches have the same clock, however busy the machine is."""


class Memory:
    """Trials of a search that is not kept, and the time of each.

    Attributes:
        ends: time and trial of each child that succeeded, as they end.

    Args:
        now: the time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._trials = now, list[Trial]()
        self.ends: list[tuple[float, Trial]] = []

    def recall(self, jobs: Sequence[Job]) -> dict[int, Trial]:
        """None."""
        return {}

    def record(self, trial: Trial) -> None:
        """Notes the time."""
        self._trials.append(trial)
        if trial.reward is not None:
            self.ends.append((self._now(), trial))

    def trials(self) -> Sequence[Trial]:
        """All so far."""
        return self._trials

    def save(self, checkpoint: Checkpoint) -> None:
        """Nothing."""

    def checkpoint(self) -> Checkpoint | None:
        """None."""
        return None


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(EqualTimeSettings)
    times, names = numbers_of("times", settings.times), strategies_of(settings.strategies)
    if not Path(settings.table).is_file() or not settings.reward_column:
        raise UsageError(f"--table={settings.table}: no such table; give an .npz file and its --reward_column")
    updates = [(word.strip(), *_loop(word.strip())) for word in settings.settings.split(",")]
    columns = {"strategy": str, "updates": str, "children": "{:.0f}".format}
    columns |= {f"after {time}": estimate_text for time in times}
    return Table(columns, _rows(settings, load_table(settings.table), names, updates, times))


def _loop(word: str) -> tuple[Callable[..., Any], int]:
    """The loop and the size of its batches."""
    batch, *flying = (numbers_of("settings", part)[0] for part in word.split("x"))
    return (partial(search, batches_in_flight=flying[0]) if flying else search_async), batch


def _rows(
    settings: EqualTimeSettings,
    table: BenchTable,
    names: Sequence[str],
    updates: Sequence[tuple[str, Callable[..., Any], int]],
    times: Sequence[int],
) -> Iterator[tuple[Any, ...]]:
    for name in names:
        for word, loop, batch in updates:
            ends = [_ends(settings, table, name, loop, batch, max(times), seed) for seed in range(settings.runs)]
            count = float(np.mean([sum(end <= max(times) for end, _ in one) for one in ends]))
            best = [[max((value for end, value in one if end <= time), default=0.0) for one in ends] for time in times]
            yield name, word, count, *(estimate(np.array(values)) for values in best)


def _ends(
    settings: EqualTimeSettings,
    table: BenchTable,
    name: str,
    loop: Callable[..., Any],
    batch: int,
    last: int,
    seed: int,
) -> list[tuple[float, float]]:
    """Time and reward of each child of a search."""
    rewards = table.column(settings.reward_column)
    workers = Clocked(
        settings.workers,
        settings.sigma,
        lambda job: Measurement(float(rewards[table.lookup(np.array(job.architecture))])),
    )
    memory = Memory(lambda: workers.now)
    strategy = STRATEGIES[name](table.space, StrategyOptions(), seed)
    most = len(table.values)
    loop(
        strategy,
        workers,
        memory,
        reward=quality,
        trials=most,
        batch_size=batch,
        seed=seed,
        stop=lambda: workers.now > last,
    )
    return [(end, trial.reward or 0.0) for end, trial in memory.ends]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
