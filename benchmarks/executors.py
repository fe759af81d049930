"""How busy workers are kept, by batches that wait for each other, by several in flight, and by asynchronous searches.

    python benchmarks/executors.py

A simulation: children sleep for log-normal times on a clock that is not waited for; what the search itself computes
between two of them takes its real time on that clock. Batches have as many proposals as there are workers.
"""

import heapq
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from frame import Table, run, strategies_of
from instant_search import instant, search_instantly

from rl_nas.errors import UsageError
from rl_nas.execution.attempt import Evaluator
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.ordered import search
from rl_nas.settings import Settings, setting
from rl_nas.trial import Job, Outcome

COLUMNS = {
    "strategy": str,
    "workers": str,
    "updates": str,
    "utilisation": "{:.1%}".format,
    "children an hour": "{:,.0f}".format,
}


@dataclass(frozen=True)
class ExecutorSettings(Settings):
    """The searches to simulate."""

    title: ClassVar[str] = "Executors"

    workers: str = setting("2,8,64,450", "numbers of workers, with commas between")
    strategies: str = setting("reinforce,aging_evolution", "with commas between")
    batches_in_flight: str = setting("1,2,3,4", "numbers of batches in flight, with commas between")
    children: int = setting(200, "children of each worker", minimum=1)
    median: float = setting(60.0, "seconds that half of the children take at most", above=0)
    sigma: float = setting(0.5, "standard deviation of the logarithm of these seconds", minimum=0)


COMMAND = Command(
    name="python benchmarks/executors.py",
    summary="simulates searches on many workers.",
    examples=("python benchmarks/executors.py --workers=450 --sigma=1",),
    groups=(ExecutorSettings,),
)


class SimulatedWorkers:
    """Workers whose children sleep on a clock of its own, in which this process's computing takes its real time.

    Attributes:
        now: seconds since the start.
        worked: seconds that all workers together were busy.
    """

    def __init__(self, workers: int, median: float, sigma: float, evaluate: Evaluator | None = None) -> None:
        self._workers, self._median, self._sigma = workers, median, sigma
        self._evaluate = evaluate or instant()
        self.now, self.worked = 0.0, 0.0

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
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
            self.now = max(self.now, end)
            started = time.perf_counter()
            yield Outcome(job, self._evaluate(job))
            self._computed(time.perf_counter() - started)

    def _timed(self, function: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = function()
        self._computed(time.perf_counter() - started)
        return found

    def _computed(self, seconds: float) -> None:
        """Puts the time that the search itself has computed onto the clock."""
        self.now += seconds

    def _seconds(self, job: Job) -> float:
        return self._median * float(np.exp(self._sigma * np.random.default_rng(job.seed).standard_normal()))


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(ExecutorSettings)
    workers, flying = (numbers_of(name, getattr(settings, name)) for name in ("workers", "batches_in_flight"))
    loops = {f"{count} in flight": partial(search, batches_in_flight=count) for count in flying}
    loops["asynchronous"] = search_async
    return Table(COLUMNS, _rows(settings, strategies_of(settings.strategies), workers, loops))


def numbers_of(flag: str, text: str) -> list[int]:
    """Whole numbers above 0 with commas between; raises `UsageError` for anything else."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise UsageError(f"--{flag}={text}: expected whole numbers above 0 with commas between")
    return list(map(int, words))


def _rows(
    settings: ExecutorSettings, names: Sequence[str], counts: Sequence[int], loops: Mapping[str, Callable[..., Any]]
) -> Iterator[tuple[Any, ...]]:
    for name in names:
        for workers in counts:
            for updates, loop in loops.items():
                simulated = SimulatedWorkers(workers, settings.median, settings.sigma)
                trials = settings.children * workers
                search_instantly(loop, name, simulated, trials, max(4, workers))
                busy = simulated.worked / (workers * simulated.now)
                yield name, workers, updates, busy, 3600 * trials / simulated.now


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
