"""Tables from files: arrays, or NATS-Bench's archive."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.array_files import read_arrays
from rl_nas.bench.nats_bench import load_nats_bench
from rl_nas.bench.table import Table, make_table
from rl_nas.errors import UsageError
from rl_nas.regular_files import MIB, check_regular
from rl_nas.store.files import write_atomically

PACKAGED = {"digits": ("valid", "test")}
"""Tables that come with rl_nas -> their columns of the reward and of the report."""

WHERE_TO_GET_ONE = (
    "give an .npz file with the arrays ops, op_names, columns and values, described in docs/benchmarks.md, or"
    " NATS-Bench's folder (https://github.com/D-X-Y/NATS-Bench) with the package nats_bench installed; digits comes"
    " with rl_nas"
)

_MOST_BYTES = 4096 * MIB
"""Of a table, packed and unpacked."""

_MOST_DECISIONS = 1000


def load_table(path: str, *, trust: bool = False) -> Table:
    """Reads an `.npz` table, or the folder of a NATS-Bench archive.

    Args:
        path: of the file or the folder; or the name of a table that comes with rl_nas, where there is no such file.
        trust: whether an archive, of pickles, may be opened.

    Raises:
        UsageError: there is none, it is malformed, or it needs trust.
    """
    file = _packaged(path) if is_packaged(path) else Path(path)
    if file.is_dir():
        if not trust:
            raise UsageError(
                f"table {path}: the files of a NATS-Bench archive are pickles, which may execute anything; give --trust"
                " (in Python: trust=True) if you have them from their authors"
            )
        return load_nats_bench(file)
    try:
        check_regular(file, _MOST_BYTES)
        return _from_arrays(file.stem, read_arrays(file, _MOST_BYTES))
    except FileNotFoundError as error:
        raise UsageError(f"no table {path}; {WHERE_TO_GET_ONE}") from error
    except (OSError, ValueError, EOFError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"table {path} cannot be read ({error}); {WHERE_TO_GET_ONE}") from error


def is_packaged(path: str) -> bool:
    """Whether it names a table that comes with rl_nas."""
    return path in PACKAGED and not Path(path).exists()


def save_table(table: Table, path: Path) -> None:
    """Writes a table as a compressed `.npz` file, which `load_table` reads.

    Raises:
        UsageError: its name ends otherwise.
        StorageError: it cannot be written.
    """
    check_table_name(path)
    decisions = table.space.decisions
    arrays: dict[str, Any] = {
        "ops": table.architectures(),
        **{f"op_names_{i}": np.array([str(c) for c in decision.choices]) for i, decision in enumerate(decisions)},
        "columns": np.array(table.columns),
        "values": table.values,
        "edges": np.array(table.edges, np.int64).reshape(-1, 2),
    }

    def write(draft: Path) -> None:
        with draft.open("wb") as file:  # to a name, NumPy would add an ending
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)


def check_table_name(path: Path) -> None:
    """Raises `UsageError` unless a file of this name can be a table."""
    if path.suffix != ".npz" or path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: expected the name of a file that ends in .npz, in a folder that exists")


def _packaged(name: str) -> Path:
    return Path(str(resources.files("rl_nas.bench") / "tables" / f"{name}.npz"))


def _from_arrays(name: str, arrays: Mapping[str, Any]) -> Table:
    missing = sorted({"ops", "columns", "values"} - arrays.keys())
    if missing:
        raise UsageError(f"table {name} lacks {', '.join(missing)}; {WHERE_TO_GET_ONE}")
    shape = arrays["ops"].shape
    if len(shape) != 2 or not shape[0] or shape[1] > _MOST_DECISIONS:  # without a row, any number takes no byte
        raise UsageError(
            f"table {name}: ops {shape}; expected [rows, decisions], at least one row and at most {_MOST_DECISIONS}"
            " decisions"
        )
    count = shape[1]
    shared = arrays.get("op_names")
    lists = [arrays.get(f"op_names_{i}", shared) for i in range(count)]
    if any(names is None for names in lists):
        raise UsageError(f"table {name} lacks op_names, or op_names_0 to op_names_{count - 1}")
    edges = np.asarray(arrays.get("edges", np.zeros([0, 2], int)))
    if edges.ndim != 2 or edges.shape[1] != 2 or not np.issubdtype(edges.dtype, np.integer):
        raise UsageError(f"table {name}: edges {edges.dtype} {edges.shape}; expected whole numbers [decisions, 2]")
    return make_table(name, arrays["ops"], lists, arrays["columns"], arrays["values"], edges.tolist())
