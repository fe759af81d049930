"""How busy workers are kept, and how many trials a second the search itself can drive.

    python benchmarks/executors.py

The first table is a simulation: children sleep for log-normal times on a clock that is not waited for; what the
search itself computes between two of them takes its real time on that clock. Synchronous batches have as many
proposals as there are workers. The second table has children that take no time, a real store on the disk, and real
processes where it says so.
"""

import heapq
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rl_nas.commands import cli
from rl_nas.strategies.catalog import LEARNED, STRATEGIES, StrategyOptions
from rl_nas.flags.lists import names_of
from rl_nas.evaluation.rewards import quality
from rl_nas.execution import Executor
from rl_nas.execution.attempt import Evaluator
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.synchronous import search
from rl_nas.settings import Settings, setting
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Job, Measurement, Outcome


@dataclass(frozen=True)
class ExecutorSettings(Settings):
    """What is simulated and measured."""

    title: ClassVar[str] = "Executors"

    workers: str = setting("2,8,64,450", "numbers of workers, with commas between")
    strategies: str = setting("reinforce,aging_evolution", "with commas between")
    children: int = setting(20, "children of each worker, simulated", minimum=1)
    median: float = setting(60.0, "seconds that half of the children take at most, simulated", above=0)
    sigma: float = setting(0.5, "standard deviation of the logarithm of these seconds", minimum=0)
    simulate: bool = setting(True, "print the simulation")
    instant: int = setting(2000, "children that take no time", minimum=1)
    update_every: int = setting(20, "of these between two updates", minimum=1)


COMMAND = Command(
    name="python benchmarks/executors.py",
    summary="simulates searches on many workers, and measures what the search itself costs.",
    examples=("python benchmarks/executors.py --workers=450 --sigma=1",),
    groups=(ExecutorSettings,),
)


class SimulatedWorkers:
    """Workers whose children sleep on a clock of its own, in which this process's computing takes its real time.

    Attributes:
        now: seconds since the start.
        worked: seconds that all workers together were busy.
    """

    def __init__(self, workers: int, median: float, sigma: float) -> None:
        self._workers, self._median, self._sigma = workers, median, sigma
        self.now, self.worked, self.done = 0.0, 0.0, 0

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yields outcomes as they finish on the clock."""
        jobs, flying = iter(jobs), []
        while True:
            while len(flying) < self._workers and (job := self._timed(lambda: next(jobs, None))) is not None:
                seconds = self._seconds(job)
                self.worked += seconds
                heapq.heappush(flying, (self.now + seconds, job.index, job))
            if not flying:
                return
            end, _, job = heapq.heappop(flying)
            self.now, self.done = max(self.now, end), self.done + 1
            started = time.perf_counter()
            yield Outcome(job, instant()(job))
            self.now += time.perf_counter() - started

    def _timed(self, function: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = function()
        self.now += time.perf_counter() - started
        return found

    def _seconds(self, job: Job) -> float:
        return self._median * float(np.exp(self._sigma * np.random.default_rng(job.seed).standard_normal()))


class TimedStore(TrialStore):
    """A store that tells how long it was at work, in seconds."""

    def __init__(self, path: Path) -> None:
        self.seconds = 0.0
        super().__init__(path)

    def record(self, *arguments: Any) -> None:
        """As in `TrialStore`."""
        started = time.perf_counter()
        super().record(*arguments)
        self.seconds += time.perf_counter() - started

    def save(self, *arguments: Any) -> None:
        """As in `TrialStore`."""
        started = time.perf_counter()
        super().save(*arguments)
        self.seconds += time.perf_counter() - started


def instant() -> Evaluator:
    """An evaluator that takes no time."""
    return lambda job: Measurement(sum(job.architecture) % 97 / 97, 1.0, 1, 1, 1, 0.0)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return cli.run(COMMAND, _run, argv)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(ExecutorSettings)
    names = names_of(settings.strategies, list(STRATEGIES), "strategies")
    if set(names) & set(LEARNED):
        cli.load_tensorflow(debug=False)
    if settings.simulate:
        _simulate(settings, names)
    _measure(settings, ["random", *names])
    return cli.DONE


def _simulate(settings: ExecutorSettings, names: Sequence[str]) -> None:
    print("| strategy | workers | updates | utilisation | children an hour |\n| --- | --- | --- | --- | --- |")
    for name in names:
        for workers in map(int, settings.workers.split(",")):
            for loop, kind in ((search, "synchronous"), (search_async, "asynchronous")):
                simulated = SimulatedWorkers(workers, settings.median, settings.sigma)
                trials = settings.children * workers
                _search(loop, name, simulated, trials, max(4, workers))
                busy = simulated.worked / (workers * simulated.now)
                rate = 3600 * trials / simulated.now
                print(f"| {name} | {workers} | {kind} | {busy:.1%} | {rate:,.0f} |", flush=True)
    print()


def _measure(settings: ExecutorSettings, names: Sequence[str]) -> None:
    print("| strategy | executor | trials a second | store, seconds per 1,000 trials |\n| --- | --- | --- | --- |")
    for name in names:
        for kind in ("inline", "2 processes"):
            processes = ProcessExecutor(EvaluatorSpec("executors:instant"), 2, children_per_worker=settings.instant)
            with InlineExecutor(instant()) if kind == "inline" else processes as executor:
                _search(search, name, executor, settings.update_every, settings.update_every)  # starts what must start
                seconds, stored = _search(search, name, executor, settings.instant, settings.update_every)
            thousand = 1000 * stored / settings.instant
            print(f"| {name} | {kind} | {settings.instant / seconds:,.0f} | {thousand:.2f} |", flush=True)


def _search(
    loop: Callable[..., None], name: str, executor: Executor, trials: int, batch_size: int
) -> tuple[float, float]:
    """Seconds that a search took, and those of its store."""
    space = nasnet(5)
    strategy = STRATEGIES[name](space, StrategyOptions(), 0)
    strategy.propose(1)  # traces what must be traced
    with tempfile.TemporaryDirectory(dir=".") as scratch, TimedStore(Path(scratch) / "trials.sqlite") as store:
        started = time.perf_counter()
        loop(
            strategy,
            executor,
            store,
            reward=quality,
            trials=trials,
            batch_size=batch_size,
            seed=0,
            key=space.canonical_key,
        )
        return time.perf_counter() - started, store.seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
