"""Makes a table for `rl_nas bench` of searches that have trained every network of a small space.

    python benchmarks/run_table.py --run_dirs=runs/valid --columns=valid --space=my_spaces:tiny --out=mine.npz

A column has the quality of a run's trials in percent; architectures of the same network have equal rows.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, run

from rl_nas.bench.table import make_table
from rl_nas.bench.table_files import check_table_name, save_table
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials

COLUMNS = {"column": str, "architectures": str, "networks": str, "lowest": "{:.2f}".format, "highest": "{:.2f}".format}


@dataclass(frozen=True)
class RunTableSettings(Settings):
    """The table to write."""

    title: ClassVar[str] = "Table"

    run_dirs: str = setting("runs/valid,runs/test", "searches of the space, separated by commas")
    columns: str = setting("valid,test", "names of their columns, separated by commas")
    out: str = setting("table.npz", "the file")


COMMAND = Command(
    name="python benchmarks/run_table.py",
    summary="makes a table for rl_nas bench of searches that have trained every network of a space.",
    examples=(
        "python benchmarks/run_table.py --run_dirs=runs/valid --columns=valid --space=my_spaces:tiny --out=t.npz",
    ),
    groups=(RunTableSettings, SpaceSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the script; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, list(_rows(parsed))), argv)


def _rows(parsed: Parsed) -> Iterator[tuple[Any, ...]]:
    settings, space = parsed.group(RunTableSettings), find_space(parsed.group(SpaceSettings))
    folders, columns, out = settings.run_dirs.split(","), settings.columns.split(","), Path(settings.out)
    if len(folders) != len(columns):
        raise UsageError(f"{len(folders)} --run_dirs, but {len(columns)} --columns; give equally many")
    check_table_name(out)
    choices = [decision.choices for decision in space.decisions]
    every = list(itertools.product(*(range(len(names)) for names in choices)))
    keys = [space.canonical_key(one) for one in every]
    values = np.array([_column(folder, space, keys) for folder in folders], np.float32).T
    table = make_table(out.stem, np.array(every, np.uint8), [list(map(str, c)) for c in choices], columns, values)
    save_table(table, out)
    for name in columns:
        found = table.column(name)
        yield name, len(every), len(set(keys)), found.min(), found.max()


def _column(folder: str, space: SearchSpace[Any], keys: Sequence[str]) -> list[float]:
    """The quality of the network of each key, in percent."""
    measured = {
        space.canonical_key(trial.architecture): 100 * trial.measurement.quality
        for trial in read_trials(SearchFolder(folder).trials)
        if trial.measurement
    }
    missing = len(set(keys) - measured.keys())
    if missing:
        raise UsageError(f"{folder} lacks {missing} of the {len(set(keys))} networks of --space={space.name}")
    return [measured[key] for key in keys]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
