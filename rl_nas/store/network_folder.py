"""A trained network as data: JSON that describes it, and its weights as arrays; reading them executes nothing."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.array_files import read_arrays
from rl_nas.errors import UsageError, first_line
from rl_nas.regular_files import MIB, check_regular
from rl_nas.store.files import make_folder, write_bytes, write_text
from rl_nas.store.json_files import OTHERS, SCALAR, read_json

NETWORK = "network"
"""Name of the folder, in that of a training, of an export, or of the best child of a search."""

EXTRA, CLASSES, TASK = "assets.extra", "labels.txt", "task.txt"
"""The folder of a SavedModel that TensorFlow leaves to users, and the files of class names and task in it."""

_SCHEMA = 1
_FORM = {
    "schema": int,
    "task": str,
    "classes": [str],
    "settings": {OTHERS: SCALAR},
    "mean": [float],
    "deviation": [float],
    "middle": bool,
    "extras": {OTHERS: str},
    "plan": (None, {"inputs": {}, "layers": [{}], "outputs": {}}),
    "keras": (None, {}),
    "weights": str,
}
MOST_WEIGHTS = 64 * 1024 * MIB
"""Bytes of the weights of any network."""
_HINT = "export the network again"


class NetworkFolder:
    """The folder of a trained network.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document, self._weights = path / "network.json", path / "weights.npz"

    def exists(self) -> bool:
        """Whether there is a network."""
        return self._document.is_file()

    def write(self, document: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Writes a network; the schema and the digest of the weights are added to `document`.

        Raises:
            StorageError: the disk is full or read-only.
        """
        content = io.BytesIO()
        np.savez(content, **arrays)
        make_folder(self.path)
        write_bytes(self._weights, content.getvalue())
        whole = {**document, "schema": _SCHEMA, "weights": _digest(content.getvalue())}
        write_text(self._document, json.dumps(whole) + "\n")

    def read(self) -> dict[str, Any]:
        """The description.

        Raises:
            UsageError: it is absent or broken, or of a later version.
        """
        document: dict[str, Any] = read_json(self._document, _FORM, _HINT)
        if document["schema"] != _SCHEMA:
            raise UsageError(f"{self._document} has schema {document['schema']}; expected {_SCHEMA}: update rl_nas")
        return document

    def read_arrays(self, document: Mapping[str, Any], most: int = MOST_WEIGHTS) -> dict[str, np.ndarray]:
        """The weights, and arrays of the task, by name; as large as the file at most.

        Args:
            document: of `read`.
            most: bytes that the file of such a network may have.

        Raises:
            UsageError: they are absent or broken, larger, or belong to another network.
        """
        try:
            check_regular(self._weights, most)
            content = self._weights.read_bytes()
            if _digest(content) != document["weights"]:
                raise UsageError(f"{self._weights} is damaged, or belongs to another {self._document.name}; {_HINT}")
            return read_arrays(content)
        except UsageError:
            raise
        except (OSError, ValueError, LookupError, MemoryError) as error:
            met = getattr(error, "strerror", None) or first_line(error)
            raise UsageError(f"{self._weights} cannot be read: {met}; {_HINT}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
