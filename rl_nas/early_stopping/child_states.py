"""States of children whose training may continue, and the epochs that each of the last batch was trained."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from rl_nas.checkpoint import REBUILD, State
from rl_nas.errors import UsageError
from rl_nas.store.files import make_folder, storage_errors, write_bytes, write_text
from rl_nas.store.json_files import OTHERS, read_json
from rl_nas.store.states import pack, unpack


class ChildStates:
    """States of children in the files of a folder.

    Args:
        folder: created by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._epochs = folder, folder / "epochs.json"

    def load(self, index: int) -> State | None:
        """The state of a child; None if there is none, or it is broken: the child can be trained again."""
        try:
            return unpack(self._path(index).read_bytes())
        except Exception:  # it may be damaged in any way
            return None

    def save(self, index: int, state: State) -> None:
        """Saves the state of a child, replacing its last one.

        Raises:
            StorageError: the disk is full or read-only.
        """
        make_folder(self._folder)
        write_bytes(self._path(index), pack(state))

    def read(self) -> dict[int, int]:
        """See `rl_nas.early_stopping.halving.Decisions`."""
        if not self._epochs.exists():
            return {}
        recorded = read_json(self._epochs, {OTHERS: int}, REBUILD)
        if not all(index.isdecimal() for index in recorded):
            raise UsageError(f"{self._epochs} has names that are no trials; {REBUILD}")
        return {int(index): epochs for index, epochs in recorded.items()}

    def write(self, epochs: Mapping[int, int]) -> None:
        """See `rl_nas.early_stopping.halving.Decisions`."""
        make_folder(self._folder)
        write_text(self._epochs, json.dumps(dict(epochs)) + "\n")

    def forget(self, index: int) -> None:
        """Deletes the state of a child."""
        with storage_errors(self._folder):
            self._path(index).unlink(missing_ok=True)

    def clear(self) -> None:
        """Deletes the folder: the search is over."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}.npz"
