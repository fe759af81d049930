"""How well shared weights, and short trainings, rank the cells of NAS-Bench-201, beside the benchmark's own trainings.

    rl_nas search --flagfile=flags/cifar10_shared.cfg --data_dir=FOLDER --run_dir=runs/shared
    python benchmarks/shared_ranking.py --run_dir=runs/shared --table=nasbench201.npz

Rank correlations (Spearman) with columns of the table, with 95% bootstrap intervals over the cells: of the accuracies
with shared weights, over all ranked cells; and of those that the children of the run reach alone, over these.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rl_nas.statistics import correlation, spearman
from rl_nas.bench.table import Table, load_table
from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.one_shot.state import OneShotState
from rl_nas.settings import Settings, setting
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import read_trials


@dataclass(frozen=True)
class RankingSettings(Settings):
    """What is compared."""

    title: ClassVar[str] = "Benchmark"

    run_dir: str = setting("runs/shared", "search with --estimator=shared --space=nasbench201")
    table: str = setting("nasbench201.npz", "tabular benchmark of the same decisions")
    columns: str = setting("ep12_cifar10_valid,ep200_cifar10_test", "its columns, with commas between")


COMMAND = Command(
    name="python benchmarks/shared_ranking.py",
    summary="compares the ranking by shared weights with a tabular benchmark.",
    examples=("python benchmarks/shared_ranking.py --run_dir=runs/shared --table=nasbench201.npz",),
    groups=(RankingSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return cli.run(COMMAND, _run, argv)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(RankingSettings)
    folder, table = SearchFolder(settings.run_dir), load_table(settings.table)
    ranking = OneShotState(folder.shared).ranking()
    if ranking is None:
        raise UsageError(f"{folder.path} has no ranking; expected a finished search with --estimator=shared")
    flags = folder.read_config()["flags"]
    if flags["space"] != table.name:
        raise UsageError(f"{folder.path} searched {flags['space']}, the table is of {table.name}")
    trials = [trial for trial in read_trials(folder.trials) if trial.measurement]
    ways = {
        "shared weights": [(one["architecture"], one["accuracy"]) for one in ranking],
        f"alone, {flags['epochs']} epochs": [(t.architecture, t.measurement.accuracy) for t in trials if t.measurement],
    }
    print("| measured | cells | column | Spearman (95%) | the best one's place |")
    print("| --- | --- | --- | --- | --- |")
    for way, pairs in ways.items():
        for column in settings.columns.split(","):
            print(f"| {way} | {len(pairs)} | {column} | {_row(pairs, table, column)} |")
    return cli.DONE


def _row(pairs: Sequence[tuple[Sequence[int], float]], table: Table, column: str) -> str:
    architectures, accuracies = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    values = table.column(column)[table.lookup(architectures)]
    found = correlation(accuracies, values, spearman)
    place = 1 + int(np.sum(values > values[np.argmax(accuracies)]))
    return f"{found} | {place}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
