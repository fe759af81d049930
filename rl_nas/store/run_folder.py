"""The folder of a run: its paths and its lock."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from rl_nas.errors import StorageError, UsageError
from rl_nas.renamed import current_flags
from rl_nas.store.files import storage_errors, write_text
from rl_nas.store.json_files import OTHERS, SCALAR, read_json
from rl_nas.store.network_folder import NETWORK, NetworkFolder

_CONFIG = {"flags": {OTHERS: SCALAR}}
_SPLIT = {"split": str, "images": int, OTHERS: (float, None)}
_RESULTS = {
    "genotype_name": (str, None),
    "network": {"size": (str, None), "trainable_parameters": int, "multiply_adds": int},
    "train": {"images": int, OTHERS: (float, None)},
    "valid": (None, _SPLIT),
    "final_test": (None, _SPLIT),
    "epochs": int,
    "seconds": float,
}
_VIEWS = {"scales": [float], "flip": bool, "valid": (None, _SPLIT), "final_test": (None, _SPLIT)}
"""Of measurements over several views, which not every training has."""
_DATA = {
    "classes": [str],
    "train_images": int,
    "valid_images": int,
    "mean": [float],
    "deviation": [float],
}
_AGAIN = "delete the file and give rl_nas train --resume to measure again"


class RunFolder:
    """Paths of a run folder. Nothing is read or written before `create` or `reopen`.

    Attributes:
        path: the folder.
        config: all flags, the seed and the versions (JSON).
        flagfile: repeats the run.
        tensorboard: figures for TensorBoard.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.config = self.path / "config.json"
        self.flagfile = self.path / "flags.cfg"
        self.tensorboard = self.path / "tensorboard"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Subfolders that a new run starts with."""
        return ()

    def check_new(self) -> None:
        """Raises `UsageError` if the folder holds anything, `StorageError` if it cannot be created."""
        with storage_errors(self.path):
            self._check_new()

    def _check_new(self) -> None:
        if self.config.exists():
            raise UsageError(
                f"--run_dir={self.path} already holds a run: continue it with --resume, or give another folder"
            )
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise UsageError(f"--run_dir={self.path} holds other files; give a new or an empty folder")
        parent = next(p for p in (self.path, *self.path.parents) if p.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise StorageError(f"cannot create --run_dir={self.path}: {parent} is not a writable folder")

    def create(self, config: dict[str, Any], flagfile: str) -> None:
        """Creates the folder of a new run and acquires its lock."""
        with storage_errors(self.path):
            for folder in (self.path, *self.folders):
                folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        write_text(self.flagfile, flagfile)
        # The config comes last: a folder with one is a run that can be resumed.
        self.write_config(config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Writes, or replaces, the run's config."""
        write_text(self.config, json.dumps(config, indent=2) + "\n")

    def reopen(self) -> dict[str, Any]:
        """Acquires the lock of an existing run; returns its config."""
        with storage_errors(self.path):
            if not self.config.exists():
                raise UsageError(f"--run_dir={self.path} holds no run to resume; start one without --resume")
            self._take_lock()
        return self.read_config()

    def read_config(self) -> dict[str, Any]:
        """The config of a run, which may be at work in another process; flags have their present names.

        Raises:
            UsageError: it is absent or broken.
        """
        config: dict[str, Any] = read_json(self.config, _CONFIG)
        return {**config, "flags": current_flags(config["flags"])}

    def _take_lock(self) -> None:
        """Acquires the lock, which the system releases when the process ends, however it ends."""
        with storage_errors(self.path):
            lock = os.open(self.path / "lock", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise UsageError(f"--run_dir={self.path} is in use by another process; wait for it or stop it") from error


class SearchFolder(RunFolder):
    """The folder of a search.

    Attributes:
        trials: SQLite.
        children: weights of the best child so far.
        best: genotype.json, cell.png, saved_model, examples.png.
        network: of the best child, as data, for `rl_nas predict`.
        examples: held-out images with the predictions of the best child; absent if the task draws none.
        images: decoded, while the search runs.
        pretraining_images: those that backbones are pretrained on, likewise.
        states: of children whose training may continue, while the search runs.
        pretrained: weights of pretrained backbones, by network.
        shared: state and ranking of a search with shared weights.
        health: figures of the strategy's health, a JSON line for each update.
        then: the longer trainings of the best networks, a folder for each, and then.json.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.trials = self.path / "trials.sqlite"
        self.children = self.path / "children"
        self.best = self.path / "best"
        self.network = NetworkFolder(self.best / NETWORK)
        self.examples = self.best / "examples.png"
        self.images = self.path / "images"
        self.pretraining_images = self.path / "pretraining_images"
        self.states = self.path / "states"
        self.pretrained = self.path / "pretrained"
        self.shared = self.path / "shared"
        self.health = self.path / "health.jsonl"
        self.then = self.path / "then"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders of the children and of the best one."""
        return (self.children, self.best)

    def files(self) -> dict[str, Path]:
        """Files of a finished run, by description."""
        return {
            "best genotype": self.best / "genotype.json",
            "its picture": self.best / "cell.png",
            "its SavedModel": self.best / "saved_model",
            **_if_there("its predictions", self.examples),
            "all trials": self.trials,
            "health": self.health,
            "settings": self.config,
            "repeat the run": self.flagfile,
        }


class TrainingFolder(RunFolder):
    """The folder of a full training.

    Attributes:
        genotype: of the network (JSON).
        checkpoints: the last states of the training.
        history: a JSON line for each epoch.
        data: class names, normalization and numbers of images (JSON).
        pretrained: weights of the backbone from its pretraining, if there was one.
        model: the trained network with its normalization, for Keras.
        network: the same as data, for `rl_nas predict`.
        results: the final measurements (JSON).
        examples: held-out images with predictions; absent if the task draws none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.genotype = self.path / "genotype.json"
        self.checkpoints = self.path / "checkpoints"
        self.history = self.path / "history.jsonl"
        self.data = self.path / "data.json"
        self.pretrained = self.path / "pretrained"
        self.model = self.path / "model.keras"
        self.network = NetworkFolder(self.path / NETWORK)
        self.results = self.path / "results.json"
        self.examples = self.path / "examples.png"

    def read_results(self) -> dict[str, Any]:
        """The final measurements.

        Raises:
            UsageError: they are absent or broken.
        """
        results: dict[str, Any] = read_json(self.results, _RESULTS, _AGAIN)
        if "views" in results:
            read_json(self.results, {"views": _VIEWS}, _AGAIN)
        return results

    def read_data(self) -> dict[str, Any]:
        """Class names, normalization and numbers of images.

        Raises:
            UsageError: they are absent or broken.
        """
        data: dict[str, Any] = read_json(self.data, _DATA)
        return data

    def files(self) -> dict[str, Path]:
        """Files of a finished run, by description."""
        return {
            "results": self.results,
            "trained model": self.model,
            **_if_there("its predictions", self.examples),
            "genotype": self.genotype,
            "every epoch": self.history,
            "checkpoints": self.checkpoints,
            "settings": self.config,
            "repeat the run": self.flagfile,
        }


def _if_there(name: str, path: Path) -> dict[str, Path]:
    return {name: path} if path.exists() else {}
