"""Searches that stop children early, against whole trainings alone, at equal cost: tables of short and long trainings.

    python benchmarks/fidelities.py --help

A child is trained for `--short_epochs` first, and has the quality of the short table then; if the rule of early
stopping lets it go on, it is trained for `--epochs` from the start, as tables hold separate trainings: it costs both.
Budgets are in whole trainings. `proxy first` is what people do without a rule: half of the budget on short trainings
alone, the rest on whole ones of the best of these. Every setting has the same seeds.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from equal_time import Memory
from frame import Table, estimate_text, remark, run, strategies_of

from rl_nas.bench.table import Table as BenchTable
from rl_nas.bench.table_files import load_table
from rl_nas.early_stopping.catalog import rule_of
from rl_nas.early_stopping.executor import EarlyStoppingExecutor
from rl_nas.early_stopping.thresholds import EarlyStopSettings, falls_short
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.fidelities import WHOLE, Fidelities
from rl_nas.flags.lists import budgets_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.loops.ordered import search
from rl_nas.settings import Settings, setting
from rl_nas.statistics import estimate, spearman
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.trial import Job, Measurement, Trial, best_trials

PROXY, SHORT = "proxy first", "short"
"""The way without a rule, and its first half."""


@dataclass(frozen=True)
class FidelitySettings(Settings):
    """The searches to simulate."""

    title: ClassVar[str] = "Searches"

    table: str = setting("", "an .npz table of whole trainings")
    reward_column: str = setting("", "its column that is maximized")
    short_table: str = setting("", "an .npz table of short trainings of the same architectures")
    short_column: str = setting("", "its column")
    epochs: int = setting(200, "of a whole training", minimum=1)
    short_epochs: int = setting(12, "of a short one", minimum=1)
    strategies: str = setting("gp,random", "with commas between")
    rules: str = setting(f"none,{PROXY},asha,model", "of early stopping, with commas between")
    budgets: str = setting("10,20,50", "costs, in whole trainings, after which rewards are compared")
    update_every: int = setting(5, "proposals between two updates", minimum=1)
    runs: int = setting(20, "of each setting", minimum=1)


COMMAND = Command(
    name="python benchmarks/fidelities.py",
    summary="compares searches that stop children early with whole trainings at equal cost.",
    examples=(
        "python benchmarks/fidelities.py --table=nasbench201_ep200.npz --reward_column=val_cifar10"
        " --short_table=nasbench201.npz --short_column=ep12_cifar10_valid",
    ),
    groups=(FidelitySettings,),
)


@dataclass(frozen=True)
class Trainings:
    """Short and whole trainings of a table's architectures.

    Attributes:
        table: of the architectures.
        short: quality after a short training, float [architectures].
        whole: after a whole one.
        epochs: of a whole one, in short ones.
    """

    table: BenchTable
    short: np.ndarray
    whole: np.ndarray
    epochs: int

    def search(self, name: str, rule: str, batch: int, seed: int, most: float) -> list[tuple[float, Trial]]:
        """The cost after each child of a search, in whole trainings, and the child; up to a cost."""
        stopping = EarlyStopSettings(rule="none" if rule == SHORT else rule, factor=float(self.epochs))
        fidelities = Fidelities((1, self.epochs), quality) if stopping.stops else WHOLE
        strategy = STRATEGIES[name](self.table.space, StrategyOptions(fidelities=fidelities), seed)
        costs = list[float]()
        memory = Memory(lambda: sum(costs))
        executor = InlineExecutor(lambda job: self._train(job, rule, costs))
        chosen = rule_of(stopping, self.table.space, self.epochs)
        search(
            strategy,
            EarlyStoppingExecutor(executor, chosen, lag=batch),
            memory,
            reward=quality,
            trials=len(self.whole),
            batch_size=batch,
            seed=seed,
            stop=lambda: sum(costs) >= most,
        )
        return [end for end in memory.ends if end[0] <= most]

    def _train(self, job: Job, rule: str, costs: list[float]) -> Measurement:
        """Trains a child to the end, or as far as the rule lets it come; notes the cost."""
        row = self.table.lookup(np.array(job.architecture))
        curve = (float(self.short[row]),) * (self.epochs - 1) + (float(self.whole[row]),)
        if rule == SHORT or falls_short(curve[:1], job.thresholds, rule):
            costs.append(1 / self.epochs)
            return Measurement(curve[0], epochs=1, curve=curve[:1])
        costs.append(1 if rule == "none" else 1 + 1 / self.epochs)
        return Measurement(curve[-1], epochs=self.epochs, curve=curve)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(FidelitySettings)
    names, budgets = strategies_of(settings.strategies), budgets_of(settings.budgets)
    if not all((settings.table, settings.reward_column, settings.short_table, settings.short_column)):
        raise UsageError("tables and columns of short and whole trainings are needed; see --help")
    table, short = load_table(settings.table), load_table(settings.short_table)
    rows = short.lookup(table.architectures())
    if (rows < 0).any():
        raise UsageError(f"--short_table={settings.short_table} lacks architectures of --table={settings.table}")
    trainings = Trainings(
        table,
        short.column(settings.short_column)[rows],
        table.column(settings.reward_column),
        round(settings.epochs / settings.short_epochs),
    )
    agreement = spearman(trainings.short, trainings.whole)
    remark(f"Spearman's correlation of short with whole trainings, {len(rows):,} architectures: {agreement:.2f}")
    columns = {"strategy": str, "rule": str, "children": "{:.0f}".format, "whole": "{:.0f}".format}
    columns |= {f"after {budget}": estimate_text for budget in budgets}
    return Table(columns, _rows(settings, trainings, names, budgets))


def _rows(
    settings: FidelitySettings, trainings: Trainings, names: Sequence[str], budgets: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    batch = settings.update_every
    for name in names:
        for rule in (word.strip() for word in settings.rules.split(",")):
            best, counts = list[list[float]](), list[tuple[int, int]]()
            for seed in range(settings.runs):
                if rule == PROXY:
                    found = [_proxy_first(trainings, name, batch, seed, budget) for budget in budgets]
                    best.append([reward for reward, *_ in found])
                    counts.append(found[-1][1:])
                    continue
                ends = trainings.search(name, rule, batch, seed, budgets[-1])
                whole = [(cost, trial) for cost, trial in ends if trial.measurement and trial.measurement.epochs != 1]
                best.append([_best(trial for cost, trial in whole if cost <= budget) for budget in budgets])
                counts.append((len(ends), len(whole)))
            values = (estimate(np.array(of_budget)) for of_budget in zip(*best, strict=True))
            yield name, rule, *np.mean(counts, axis=0).tolist(), *values


def _proxy_first(trainings: Trainings, name: str, batch: int, seed: int, budget: int) -> tuple[float, int, int]:
    """The best reward when half of the budget is for short trainings; the numbers of short and of whole ones."""
    short = [trial for _, trial in trainings.search(name, SHORT, batch, seed, budget / 2)]
    chosen = best_trials(short, budget // 2)
    rows = trainings.table.lookup(np.array([trial.architecture for trial in chosen]))
    return float(trainings.whole[rows].max()), len(short), len(chosen)


def _best(trials: Iterable[Trial]) -> float:
    return max((trial.reward or 0.0 for trial in trials), default=0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
