"""How well shared weights, and short trainings, rank the cells of NAS-Bench-201, beside the benchmark's own trainings.

    rl_nas search --flagfile=flags/cifar10_shared.cfg --data_dir=FOLDER --run_dir=runs/shared
    python benchmarks/shared_ranking.py --run_dir=runs/shared --table=nasbench201.npz

Rank correlations (Spearman) with columns of the table, with 95% bootstrap intervals over the cells: of the accuracies
with shared weights, over all ranked cells; and of those that the children of the run reach alone, over these.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from frame import Table, run

from rl_nas.bench.table_files import load_table
from rl_nas.errors import UsageError
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command
from rl_nas.one_shot.state import OneShotState
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import Architecture
from rl_nas.statistics import Correlation, correlation, spearman
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials

COLUMNS = dict.fromkeys(("measured", "cells", "column", "Spearman (95%)", "the best one's place"), str)


@dataclass(frozen=True)
class RankingSettings(Settings):
    """The rankings to compare."""

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
    return run(COMMAND, lambda parsed: Table(COLUMNS, list(_rows(parsed.group(RankingSettings)))), argv)


def _rows(settings: RankingSettings) -> Iterator[tuple[Any, ...]]:
    folder, table = SearchFolder(settings.run_dir), load_table(settings.table)
    columns = names_of(settings.columns, table.columns, "columns")
    flags = folder.read_config()["flags"]
    if flags["space"] != table.name:
        raise UsageError(f"{folder.path} searched {flags['space']}, the table is of {table.name}")
    for way, qualities in _measured(folder, flags["epochs"]).items():
        rows = table.lookup(np.array(list(qualities)))
        for column in columns:
            found, place = _compared(np.array(list(qualities.values())), table.column(column)[rows])
            yield way, len(qualities), column, found, place


def _measured(folder: SearchFolder, epochs: int) -> dict[str, dict[Architecture, float]]:
    """Ways of measuring networks, and what each found: architecture -> quality."""
    ranking = OneShotState(folder.shared).ranking()
    if ranking is None:
        raise UsageError(f"{folder.path} has no ranking; expected a finished search with --estimator=shared")
    trials = read_trials(folder.trials)
    return {
        "shared weights": {tuple(one["architecture"]): one["quality"] for one in ranking},
        f"alone, {epochs} epochs": {t.architecture: t.measurement.quality for t in trials if t.measurement},
    }


def _compared(qualities: np.ndarray, values: np.ndarray) -> tuple[Correlation, int]:
    """The rank correlation, and the place that the best by quality has in the column, the first being 1."""
    return correlation(qualities, values, spearman), 1 + int(np.sum(values > values[np.argmax(qualities)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
