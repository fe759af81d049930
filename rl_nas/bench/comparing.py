"""Comparisons of strategies on a table: their runs, side by side and in parts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.bench import runs as bench_runs
from rl_nas.bench.comparison import Comparison, ComparisonSetup
from rl_nas.bench.kept_runs import KeptRuns
from rl_nas.bench.many_runs import make_runs
from rl_nas.bench.runs import Curves, Runs
from rl_nas.bench.table import Table
from rl_nas.bench.warm_start import WarmStartedRuns
from rl_nas.errors import UsageError
from rl_nas.strategies.batching import BATCHES
from rl_nas.strategies.catalog import StrategyOptions
from rl_nas.surrogate.earlier import EarlierTrials

_MOST_SIDE_BY_SIDE = 100
_MEMORY = 2e8
"""Most elements of the covariances of runs side by side."""


class Progress:
    """Is told how far a comparison is; this one ignores it."""

    def evaluations(self, what: str, chunk: range, runs: int, count: int) -> None:
        """Called when some of the runs have had so many evaluations."""

    def done(self, what: str, runs: int, seconds: float) -> None:
        """Called when all runs of a strategy are there."""


@dataclass(frozen=True)
class Comparing:
    """What comparisons on several columns have in common.

    Attributes:
        table: that is searched.
        kept: runs of earlier calls.
        strategies: their names.
        evaluations: of each run.
        seed: of all runs.
        seeds: of each.
        update_every: proposals between two updates; None: as many as suit each strategy.
        in_flight: batches that are proposed before the first of them is observed.
        options: of the strategies.
        first: first proposals of a warm start, int [runs, children, decisions]; None: there is none.
        earlier: trials of an earlier search for each run, or none.
        key: what results depend on beside all of this.
        progress: is told.
    """

    table: Table
    kept: KeptRuns
    strategies: Sequence[str]
    evaluations: int
    seed: int
    seeds: Sequence[int]
    update_every: int | None
    in_flight: int
    options: StrategyOptions
    first: np.ndarray | None
    earlier: Sequence[EarlierTrials]
    key: Mapping[str, str]
    progress: Progress

    def on(self, reward_column: str, report_column: str) -> Comparison:
        """Compares the strategies by a column.

        Raises:
            UsageError: the table has no such column, or no finite reward in it, or kept runs are damaged.
            StorageError: runs cannot be kept.
        """
        reward, report = self.table.column(reward_column), self.table.column(report_column)
        if not np.isfinite(reward).any():
            raise UsageError(f"table {self.table.name}: column {reward_column} has no finite number to maximize")
        best, runs = int(np.where(np.isfinite(reward), reward, -np.inf).argmax()), len(self.seeds)
        maximum = float(reward[best]), float(report[best])
        setup = ComparisonSetup(self.table.name, reward_column, report_column, runs, self.seed, *maximum)
        batches = {name: self.update_every or BATCHES.get(name, 1) for name in self.strategies}
        curves, seconds = {}, {}
        for name in self.strategies:
            curves[name], seconds[name] = self._curves(name, batches[name], (reward_column, report_column))
            self.progress.done(f"{reward_column}  {name}", runs, seconds[name])
        return Comparison(setup, curves, seconds, batches, self.options.evolution.sizes, self.in_flight)

    def _curves(self, name: str, batch: int, columns: tuple[str, str]) -> tuple[Curves, float]:
        """The curves of a strategy's runs, and the seconds that they took; those that are kept are not repeated."""
        key = {**self.key, "columns": columns, "strategy": name, "seed": self.seed, "batch": batch}
        key |= {"evaluations": self.evaluations, "in_flight": self.in_flight}
        reward, report = (self.table.column(column) for column in columns)
        what, runs = f"{columns[0]}  {name}", len(self.seeds)
        parts, took = _some(self.kept.find(key), runs)
        for chunk in _chunks(range(sum(len(part.best) for part in parts), runs), self.evaluations):
            started = time.monotonic()
            made = bench_runs.run(
                self._runs(name, chunk),
                self.table,
                reward,
                report,
                evaluations=self.evaluations,
                batch=batch,
                batches_in_flight=self.in_flight,
                progress=self._tell(what, chunk),
            )
            parts, took = [*parts, made], took + time.monotonic() - started
            self.kept.keep(key, bench_runs.join(parts), took)
        return bench_runs.join(parts), took

    def _runs(self, name: str, chunk: range) -> Runs:
        part = slice(chunk.start, chunk.stop)
        earlier = self.earlier[part]
        made = make_runs(name, self.table.space, self.options, self.seeds[part], preset="bench", earlier=earlier)
        return made if self.first is None else WarmStartedRuns(made, self.first[part])

    def _tell(self, what: str, chunk: range) -> Callable[[int], None]:
        return lambda count: self.progress.evaluations(what, chunk, len(self.seeds), count)


def _some(found: tuple[Curves, float] | None, count: int) -> tuple[list[Curves], float]:
    """At most so many runs of those that were found, and the seconds that these took."""
    if found is None:
        return [], 0.0
    curves, seconds = found
    return [bench_runs.first(curves, count)], seconds * min(1.0, count / len(curves.best))


def _chunks(numbers: range, evaluations: int) -> list[range]:
    """Groups of runs that are computed side by side, as many as memory allows."""
    size = max(1, min(_MOST_SIDE_BY_SIDE, int(_MEMORY / evaluations**2)))
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]
