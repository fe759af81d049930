"""Writes synthetic tables for `rl_nas bench`, of other shapes than NAS-Bench-201's, and tells their sizes.

    python benchmarks/synthetic_tables.py --out=tables
    rl_nas bench --table=tables/eight_of_three.npz --reward_column=valid --report_column=test

`eight_of_three` has 8 decisions of 3 choices; `five_of_nine` few decisions of many choices, 5 of 9; `uneven` 8
decisions of 2 to 6 choices, of whose combinations a fifth is invalid. Column `test` is an NK landscape (Kauffman and
Weinberger 1989) with K = 2: 100 times the mean over decisions of a number uniform in [0, 1), which is drawn for every
choice of the decision together with those of two others; so it has many local optima, and no choice means anything.
`valid` is the same with normal noise of standard deviation 1.
"""

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, run

from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.store.files import make_folder, storage_errors

OTHERS = 2
"""Decisions that the worth of a choice depends on (K of the NK landscapes)."""

NOISE = 1.0
"""Standard deviation of the column `valid` around `test`."""

SHAPES = {
    "eight_of_three": ((3,) * 8, 0.0),
    "five_of_nine": ((9,) * 5, 0.0),
    "uneven": ((2, 5, 3, 4, 2, 6, 3, 4), 0.2),
}
"""Choices of each decision, and the share of the combinations that have no row."""

COLUMNS = {"file": str, "combinations": str, "architectures": str}


@dataclass(frozen=True)
class TablesSettings(Settings):
    """The tables to write."""

    title: ClassVar[str] = "Tables"

    out: str = setting("tables", "folder of the .npz files")
    seed: int = setting(0, "of the rewards", minimum=0)


COMMAND = Command(
    name="python benchmarks/synthetic_tables.py",
    summary="writes synthetic tables for rl_nas bench.",
    examples=("python benchmarks/synthetic_tables.py --out=tables",),
    groups=(TablesSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, _rows(parsed)), argv)


def nk_landscape(ops: np.ndarray, sizes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Worth of architectures, int [n, decisions], as the module says: float [n] in [0, 1)."""
    total = np.zeros(len(ops))
    for decision in range(len(sizes)):
        others = rng.choice([d for d in range(len(sizes)) if d != decision], OTHERS, replace=False)
        places = [decision, *others]
        total += rng.random([sizes[place] for place in places])[tuple(ops[:, places].T)]
    return total / len(sizes)


def _rows(parsed: Parsed) -> Iterator[tuple[Any, ...]]:
    settings = parsed.group(TablesSettings)
    folder = Path(settings.out)
    make_folder(folder)
    for name, (sizes, invalid) in SHAPES.items():
        path = folder / f"{name}.npz"
        yield str(path), math.prod(sizes), _write(path, sizes, invalid, settings.seed)


def _write(path: Path, sizes: tuple[int, ...], invalid: float, seed: int) -> int:
    """Writes a table; returns the number of its rows."""
    rng = np.random.default_rng([seed, len(set(sizes))])
    ops = np.array(list(itertools.product(*map(range, sizes))))
    ops = ops[rng.random(len(ops)) >= invalid]
    test = 100 * nk_landscape(ops, sizes, rng)
    valid = test + rng.normal(0, NOISE, len(ops))
    names = {f"op_names_{d}": np.array([f"{d}:{c}" for c in range(size)]) for d, size in enumerate(sizes)}
    values = np.stack([valid, test], axis=1).astype(np.float32)
    with storage_errors(path):
        np.savez_compressed(path, ops=ops, columns=np.array(["valid", "test"]), values=values, **names)
    return len(ops)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
