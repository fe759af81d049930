"""Runs of comparisons that are kept in a folder, so that a comparison can be made in parts."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.array_files import read_arrays
from rl_nas.bench.runs import Curves
from rl_nas.bench.table import Table
from rl_nas.errors import UsageError
from rl_nas.store.files import check_own, make_folder, write_atomically


class KeptRuns:
    """Curves of runs, in one file for each setting.

    Args:
        folder: of the files; None: nothing is kept, and nothing found.
        table: that is searched.
    """

    def __init__(self, folder: Path | None, table: Table) -> None:
        self._folder = folder
        content = table.rows.tobytes() + table.values.tobytes() if folder is not None else b""
        self._table = hashlib.sha256(content).hexdigest()

    def find(self, setting: Mapping[str, Any]) -> tuple[Curves, float] | None:
        """The runs of a setting from the first on, and their seconds; None if there are none.

        Raises:
            UsageError: the file is damaged.
        """
        path = self._path(setting)
        if path is None or not path.exists():
            return None
        check_own(path)
        try:
            arrays = read_arrays(path)
            best, report, repeated = (arrays[name] for name in ("best", "report", "repeated"))
            shape = len(repeated), setting["evaluations"]
            if (
                best.dtype.kind + report.dtype.kind + repeated.dtype.kind != "fff"
                or not shape == best.shape == report.shape
            ):
                raise ValueError(f"arrays of the shapes {best.shape} and {report.shape}; expected {shape}")
            seconds = float(arrays["seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged ({error}); remove it, and its runs are computed again") from error
        return Curves(best, report, repeated), seconds

    def keep(self, setting: Mapping[str, Any], curves: Curves, seconds: float) -> None:
        """Replaces the kept runs of a setting.

        Raises:
            StorageError: they cannot be written.
        """
        path = self._path(setting)
        if path is not None:
            make_folder(path.parent)
            write_atomically(path, lambda draft: _write(draft, curves, seconds))

    def _path(self, setting: Mapping[str, Any]) -> Path | None:
        if self._folder is None:
            return None
        text = json.dumps({**setting, "table": self._table}, sort_keys=True)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.npz"


def _write(path: Path, curves: Curves, seconds: float) -> None:
    with path.open("wb") as file:
        np.savez(file, best=curves.best, report=curves.report, repeated=curves.repeated, seconds=np.array(seconds))
