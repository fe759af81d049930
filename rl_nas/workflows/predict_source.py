"""The network that `rl_nas predict` uses: as data, or, if it is trusted, as a SavedModel. No TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text
from rl_nas.store.network_folder import CLASSES, EXTRA, NETWORK, TASK, NetworkFolder
from rl_nas.tasks.catalog import TASKS, find_task
from rl_nas.tasks.task import Task
from rl_nas.workflows.trained_models import KERAS, network_in, why_none

if TYPE_CHECKING:
    from rl_nas.workflows.predict import Served

_HINT = "export the network again"
_MODEL = "saved_model.pb"


class PredictSource:
    """A trained network before it is loaded.

    Attributes:
        task: of the network.
        class_names: one for each class.
        extras: the task's own files, content by name.
    """

    def __init__(self, model: str, task: str | None, *, trust: bool) -> None:
        """Finds the network, and reads what is known of it.

        Args:
            model: a folder of an export, of a training or of a search, or its `best`, network, SavedModel or
                model.keras.
            task: name of the task; None: the recorded one, if it is of the catalog.
            trust: whether the graph of a SavedModel may be executed.

        Raises:
            UsageError: there is no network, or only one that needs trust.
        """
        self._network, self._saved_model = _network(Path(model)), None
        if self._network is not None:
            self._document = self._network.read()
            self.task = _task(self._network.path, task, self._document["task"])
            self.class_names: list[str] = self._document["classes"]
            self.extras: Mapping[str, str] = self._document["extras"]
            return
        self._saved_model = path = _saved_model(Path(model))
        if not trust:
            raise UsageError(
                f"--model={model} holds a SavedModel alone, whose graph may do anything on this machine; give --trust"
                " if you know who made it, or export the network again"
            )
        recorded = path / EXTRA / TASK  # networks of 0.1.0 were all classifiers
        self.task = _task(path, task, read_text(recorded, _HINT).strip() if recorded.is_file() else next(iter(TASKS)))
        self.class_names = read_text(path / EXTRA / CLASSES, _HINT).removesuffix("\n").split("\n")
        places = {name: path / EXTRA / name for name in self.task.extras}
        self.extras = {name: read_text(place, _HINT) for name, place in places.items() if place.is_file()}

    def load(self) -> Served:
        """The network; imports TensorFlow.

        Raises:
            UsageError: its files are broken.
        """
        from rl_nas.workflows import predict

        if self._network is not None:
            return predict.rebuilt(self._network, self._document, self.task)
        assert self._saved_model is not None
        return predict.opened(self._saved_model)


def _network(folder: Path) -> NetworkFolder | None:
    """The network as data, which also lies beside a SavedModel and a model.keras."""
    beside = NetworkFolder(folder.absolute().parent / NETWORK)
    exported = (folder / _MODEL).is_file() or (folder.name == KERAS and folder.is_file())
    return network_in(folder) or (beside if exported and beside.exists() else None)


def _saved_model(folder: Path) -> Path:
    for path in (folder, folder / "saved_model", folder / "best" / "saved_model"):
        if (path / _MODEL).is_file():
            return path
    raise UsageError(f"--model={folder} {why_none(folder)}")


def _task(place: Path, given: str | None, recorded: str) -> Task:
    """The task that this call names, or that a network records: a name of the catalog, never code."""
    if given is None and recorded not in TASKS:
        raise UsageError(f"{place} is of task {recorded!r}; give its code with --task=module:NAME if you trust it")
    return find_task(given or recorded)
