"""Files of a search with shared weights: its state after the last epoch, and its final ranking."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl_nas.checkpoint import REBUILD, Checkpoint
from rl_nas.errors import UsageError
from rl_nas.renamed import RANKED, current_ranked
from rl_nas.store.files import make_folder, storage_errors, write_bytes, write_text
from rl_nas.store.json_files import read_json
from rl_nas.store.states import pack, unpack

_RANKING = [tuple({"architecture": [int], name: float} for name in ("quality", *RANKED))]


class OneShotState:
    """The files of a folder, each replaced as a whole.

    Attributes:
        path: of the ranking.

    Args:
        folder: created by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state, self.path = folder / "state.npz", folder / "ranking.json"

    def save(self, checkpoint: Checkpoint) -> None:
        """Saves a checkpoint durably, replacing the last one.

        Raises:
            StorageError: the disk is full or read-only.
        """
        content = pack({"updates": checkpoint.updates, "trials": checkpoint.trials, "state": checkpoint.state})
        make_folder(self._folder)
        write_bytes(self._state, content)

    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint.

        Raises:
            UsageError: the file is broken.
        """
        if not self._state.exists():
            return None
        try:
            return Checkpoint(**unpack(self._state.read_bytes()))
        except Exception as error:  # it may be damaged in any way
            raise UsageError(f"{self._state}: {error}; {REBUILD}") from error

    def forget(self) -> None:
        """Deletes the checkpoint, and a ranking that cannot be read: the weights are to be trained again.

        What a whole ranking says needs no weights any more, and trials follow it.
        """
        with storage_errors(self._folder):
            self._state.unlink(missing_ok=True)
            try:
                self.ranking()
            except UsageError:
                self.path.unlink()

    def save_ranking(self, ranking: Sequence[dict[str, Any]]) -> None:
        """Writes the networks, best first, as JSON values."""
        make_folder(self._folder)
        write_text(self.path, json.dumps(ranking, indent=1) + "\n")

    def ranking(self) -> list[dict[str, Any]] | None:
        """The ranking that was written, if any.

        Raises:
            UsageError: the file is broken.
        """
        if not self.path.exists():
            return None
        hint = "delete the file to rank again"
        ranking = [current_ranked(entry) for entry in read_json(self.path, _RANKING, hint)]
        if not ranking:
            raise UsageError(f"{self.path} holds no networks; {hint}")
        return ranking
