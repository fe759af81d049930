"""Strategies over all tables and budgets: mean ranks, and where the first one is ahead or behind beyond the noise.

    rl_nas bench --table=nasbench201.npz --reward_column=ep12_cifar10_valid,ep12_cifar100_valid --out=bench/a
    rl_nas bench --table=transbench101_micro.npz --reward_column=valid_normal --out=bench/b
    python benchmarks/bench_summary.py --results=bench/a,bench/b --picture=summary.png

At each budget of each column strategies are ranked by the mean of the best reward so far, 1 is the best; equal ones
share their mean rank. With --details: the best reward so far of each strategy on each column, its mean over the runs
with an interval, and the runs in a hundred that have found the maximum of the table, at each budget.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from frame import Table, run
from scipy.stats import rankdata

from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command
from rl_nas.report.bench_plot import draw_summary
from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class SummarySettings(Settings):
    """What is summarized."""

    title: ClassVar[str] = "Benchmark"

    results: str = setting(
        "bench", "folders that rl_nas bench wrote, with commas between: of the same strategies and budgets"
    )
    details: bool = setting(False, "print the figures of every column in place of the summary")
    picture: str | None = setting(None, "an image file for mean ranks and runs at the maximum against evaluations")


COMMAND = Command(
    name="python benchmarks/bench_summary.py",
    summary="summarizes comparisons of strategies on several tables.",
    examples=(
        "python benchmarks/bench_summary.py --results=bench/nasbench201,bench/transbench101 --picture=summary.png",
    ),
    groups=(SummarySettings,),
)


class Summary(NamedTuple):
    """Comparisons on several columns, side by side.

    Attributes:
        columns: names, with the largest reward of each.
        strategies: names.
        budgets: evaluations.
        rewards: mean of the best so far and its interval, float [columns, strategies, budgets, 3].
        ranks: of each strategy at each budget of each column, float [columns, strategies, budgets].
        at_maximum: fractions of the runs that have found the maximum, same shape.
        leads: interval of how far the first strategy is ahead of each other, float [columns, others, budgets, 2].
    """

    columns: list[tuple[str, float]]
    strategies: list[str]
    budgets: list[int]
    rewards: np.ndarray
    ranks: np.ndarray
    at_maximum: np.ndarray
    leads: np.ndarray


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""

    def make(parsed: Any) -> Table:
        settings = parsed.group(SummarySettings)
        summary = read(settings.results.split(","))
        if settings.picture is not None:
            means = {"mean rank": summary.ranks, "runs at the maximum, %": 100 * summary.at_maximum}
            curves = {
                name: dict(zip(summary.strategies, values.mean(axis=0), strict=True)) for name, values in means.items()
            }
            draw_summary(summary.budgets, curves, f"mean of {len(summary.ranks)} columns", Path(settings.picture))
        return _details(summary) if settings.details else _table(summary)

    return run(COMMAND, make, argv)


def read(folders: Sequence[str]) -> Summary:
    """Reads the results in folders; raises UsageError if they cannot be compared."""
    rows = [row for folder in folders for row in _rows(Path(folder.strip()) / "results.csv")]
    strategies = list(dict.fromkeys(row["strategy"] for row in rows))
    budgets = sorted({int(row["evaluations"]) for row in rows})
    columns = list(dict.fromkeys((row["table"], row["reward_column"]) for row in rows))
    found = {(row["table"], row["reward_column"], row["strategy"], int(row["evaluations"])): row for row in rows}
    shape = len(columns), len(strategies), len(budgets)
    wanted = [(*column, name, budget) for column in columns for name in strategies for budget in budgets]
    missing = [key for key in wanted if key not in found]
    if missing:
        table, column, name, budget = missing[0]
        raise UsageError(f"no {name} after {budget} evaluations on {table} {column}; expected all of the others' there")

    def values(name: str) -> np.ndarray:
        return np.array([float(found[key][name] or "nan") for key in wanted]).reshape(shape)

    leads = np.stack([values("lead_low"), values("lead_high")], axis=-1)[:, 1:]
    rewards = np.stack([values(f"reward_{name}") for name in ("mean", "low", "high")], axis=-1)
    maxima = [float(found[*column, strategies[0], budgets[0]]["maximum"]) for column in columns]
    names = [_name(*column) for column in columns]
    ranks = rankdata(-rewards[..., 0], axis=1)
    return Summary([*zip(names, maxima, strict=True)], strategies, budgets, rewards, ranks, values("at_maximum"), leads)


def _name(table: str, column: str) -> str:
    """The column's; that of the table where its only column says nothing."""
    return table if column == "valid" else column


def _rows(path: Path) -> list[Mapping[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"--results: {path} cannot be read ({error}); expected a folder that rl_nas bench wrote"
        ) from error
    if not rows or "lead_low" not in rows[0]:
        raise UsageError(f"--results: {path} has no lead_low; expected what rl_nas bench of this version writes")
    return rows


def _table(summary: Summary) -> Table:
    first = summary.strategies[0]
    names = ["strategy", *map(str, summary.budgets), "all", f"{first} ahead", "behind", "of"]
    count = len(summary.ranks) * len(summary.budgets)
    rows = []
    for place, name in enumerate(summary.strategies):
        ranks = summary.ranks[:, place].mean(axis=0)
        cells = [name, *(f"{rank:.1f}" for rank in ranks), f"{ranks.mean():.1f}"]
        leads = summary.leads[:, place - 1]
        against = [int((leads[..., 0] > 0).sum()), int((leads[..., 1] < 0).sum()), count] if place else [None] * 3
        rows.append([*cells, *against])
    return Table(dict.fromkeys(names, str), rows)


def _details(summary: Summary) -> Table:
    names = ["column", "strategy", *map(str, summary.budgets), "% at the maximum"]
    rows = []
    for place, (column, maximum) in enumerate(summary.columns):
        digits = 2 if maximum > 2 else 4
        for number, strategy in enumerate(summary.strategies):
            rewards = [
                f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
                for mean, low, high in summary.rewards[place, number]
            ]
            found = ", ".join(f"{100 * part:.0f}" for part in summary.at_maximum[place, number])
            rows.append([f"{column} ({maximum:.{digits}f})", strategy, *rewards, found])
    return Table(dict.fromkeys(names, str), rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
