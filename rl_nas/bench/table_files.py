"""Tables from files: arrays, or NATS-Bench's archive."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_nas.array_files import read_arrays
from rl_nas.bench.nats_bench import load_nats_bench
from rl_nas.bench.table import Table, make_table
from rl_nas.errors import UsageError
from rl_nas.regular_files import MIB, check_regular

WHERE_TO_GET_ONE = (
    "give an .npz file with the arrays ops, op_names, columns and values, described in docs/benchmarks.md, or"
    " NATS-Bench's folder (https://github.com/D-X-Y/NATS-Bench) with the package nats_bench installed"
)

_MOST_BYTES = 4096 * MIB
"""Of a table, packed and unpacked."""

_MOST_DECISIONS = 1000


def load_table(path: str, *, trust: bool = False) -> Table:
    """Reads an `.npz` table, or the folder of a NATS-Bench archive.

    Args:
        path: of the file or the folder.
        trust: whether an archive, of pickles, may be opened.

    Raises:
        UsageError: there is none, it is malformed, or it needs trust.
    """
    file = Path(path)
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
    return make_table(name, arrays["ops"], lists, arrays["columns"], arrays["values"])
