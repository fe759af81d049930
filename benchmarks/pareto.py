"""How good are the fronts of strategies for two objectives, after equally many evaluations of a table?

    python benchmarks/pareto.py --table=nasbench201.npz --quality=ep12_cifar10_valid --cost=flops_M

A front is as good as its hypervolume (Zitzler and Thiele 1998), that of the objectives' values that it dominates, as a
fraction of that of the front of the whole table. The reference point is the worst value of each objective in the table.
Repeated and invalid proposals count as evaluations.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from frame import Table, estimate_text, remark, run, strategies_of

from rl_nas.bench.table import Table as BenchTable
from rl_nas.bench.table_files import load_table
from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import UsageError
from rl_nas.extras import check_installed
from rl_nas.flags.lists import budgets_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.objectives import Objectives
from rl_nas.settings import MAX_SEED, Settings, setting
from rl_nas.statistics import estimate
from rl_nas.strategies import Strategy
from rl_nas.strategies.catalog import MULTI_OBJECTIVE, STRATEGIES, StrategyOptions
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Failure, Measurement, Trial, TrialState


@dataclass(frozen=True)
class ParetoSettings(Settings):
    """The comparison."""

    title: ClassVar[str] = "Comparison"

    table: str = setting("nasbench201.npz", "table of `rl_nas bench`")
    quality: str = setting("ep12_cifar10_valid", "column that is to be large")
    cost: str = setting("flops_M", "column that is to be small")
    strategies: str = setting(",".join(MULTI_OBJECTIVE), "strategies, separated by commas")
    budgets: str = setting("50,100,200,300", "evaluations after which fronts are compared, separated by commas")
    runs: int = setting(10, "independent runs of each strategy", minimum=1, maximum=100_000)
    seed: int = setting(0, "seed of the first run; that of each further one is the next", minimum=0, maximum=MAX_SEED)
    update_every: int = setting(5, "proposals between two updates", minimum=1, maximum=10_000)


COMMAND = Command(
    name="python benchmarks/pareto.py",
    summary="compares the fronts of strategies for two objectives on a table, by their hypervolume.",
    examples=("python benchmarks/pareto.py --table=nasbench201.npz --runs=5 --strategies=nsga2,random",),
    groups=(ParetoSettings, EvolutionSettings, ControllerSettings),
)
OBJECTIVES = Objectives(("quality", "madds"))
"""The cost of a table stands for the multiply-adds, whatever its unit."""


def main(argv: Sequence[str]) -> int:
    """Runs the script; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    check_installed(COMMAND.name, "pareto", ["moocore", "optuna"])
    settings = parsed.group(ParetoSettings)
    budgets = budgets_of(settings.budgets)
    strategies = strategies_of(settings.strategies)
    if others := sorted({*strategies} - {*MULTI_OBJECTIVE}):
        raise UsageError(f"--strategies={','.join(others)}: expected some of {', '.join(MULTI_OBJECTIVE)}")
    space = Lookup(load_table(settings.table), settings.quality, settings.cost)
    evolution = parsed.group(EvolutionSettings).sized(min(max(budgets), 2 * min(budgets)))
    options = StrategyOptions(parsed.group(ControllerSettings), evolution, objectives=OBJECTIVES)
    columns = {"strategy": str, **{f"{budget} evaluations": estimate_text for budget in budgets}}
    return Table(columns, _rows(settings, strategies, options, space, budgets))


def _rows(
    settings: ParetoSettings,
    strategies: Sequence[str],
    options: StrategyOptions,
    lookup: "Lookup",
    budgets: Sequence[int],
) -> Iterator[tuple[Any, ...]]:
    for name in strategies:
        found = []
        for seed in range(settings.seed, settings.seed + settings.runs):
            strategy = STRATEGIES[name](lookup.table.space, options, seed)
            trials = searched(strategy, lookup, max(budgets), settings.update_every)
            found.append([lookup.hypervolume(trials[:budget]) for budget in budgets])
            remark(f"{name}, seed {seed}: {', '.join(f'{share:.4f}' for share in found[-1])}")
        yield (name, *map(estimate, np.array(found).T))


class Lookup:
    """Two columns of a table as the objectives of its architectures.

    Attributes:
        table: the table.
        values: of the objectives, which are to be large, float [rows, 2].
    """

    def __init__(self, table: BenchTable, quality: str, cost: str) -> None:
        self.table = table
        self.values = np.stack([table.column(quality), -table.column(cost)], axis=1)
        self._worst = self.values.min(axis=0)
        self._span = np.ptp(self.values, axis=0)
        self._most = self._dominated(self.values)

    def trials(self, architectures: Sequence[tuple[int, ...]], first: int) -> list[Trial]:
        """The trials of architectures, numbered from `first` on."""
        rows = self.table.lookup(np.array(architectures))
        return [self._trial(number, *pair) for number, pair in enumerate(zip(architectures, rows, strict=True), first)]

    def hypervolume(self, trials: Sequence[Trial]) -> float:
        """The hypervolume of the front of trials, as a fraction of that of the table's."""
        measured = [OBJECTIVES.values(trial.measurement) for trial in trials if trial.measurement]
        return self._dominated(np.array(measured)) / self._most if measured else 0.0

    def _dominated(self, values: np.ndarray) -> float:
        import moocore  # of an extra, which the other benchmarks do without

        unit = (values - self._worst) / self._span
        return float(moocore.hypervolume(unit, ref=np.zeros(2), maximise=True))

    def _trial(self, number: int, architecture: tuple[int, ...], row: int) -> Trial:
        if row < 0:
            invalid = Failure(TrialState.INVALID, "no such row")
            return Trial(number, architecture, TrialState.INVALID, failures=(invalid,))
        quality, cost = self.values[row].tolist()
        return Trial(number, architecture, TrialState.OK, quality, Measurement(quality, madds=-cost))


def searched(strategy: Strategy, lookup: Lookup, evaluations: int, batch: int) -> list[Trial]:
    """The trials of a search of a table."""
    trials: list[Trial] = []
    while len(trials) < evaluations:
        new = lookup.trials(strategy.propose(batch), len(trials))
        strategy.observe(new)
        trials += new
    return trials


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
