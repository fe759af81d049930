"""The folder of a run: its paths and its lock."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.errors import StorageError, UsageError
from rl_nas.renamed import current_flags
from rl_nas.store.files import (
    check_can_make,
    check_folder,
    check_is_no_pattern,
    check_own,
    final_name,
    make_folder,
    storage_errors,
    write_text,
)
from rl_nas.store.json_files import OTHERS, SCALAR, read_json
from rl_nas.store.network_folder import NETWORK, NetworkFolder

_LOCK, _BEST, _FRONT = "lock", "best", "front"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""Of file systems such as Lustre without the option `flock`."""
_CONFIG = {"flags": {OTHERS: SCALAR}}
SPLIT_FORM = {"split": str, "images": int, OTHERS: (float, None)}
RESULTS_FORM = {
    "genotype_name": (str, None),
    "network": {"size": (str, None), "trainable_parameters": int, "multiply_adds": int},
    "train": {"images": int, OTHERS: (float, None)},
    "valid": (None, SPLIT_FORM),
    "final_test": (None, SPLIT_FORM),
    "epochs": int,
    "seconds": float,
}
_VIEWS = {"scales": [float], "flip": bool, "valid": (None, SPLIT_FORM), "final_test": (None, SPLIT_FORM)}
"""Of measurements over several views, which not every training has."""
_DATA = {
    "classes": [str],
    "train_images": int,
    "valid_images": int,
    "mean": [float],
    "deviation": [float],
}
REMEDY = "restore the file from a copy, or, if the run is yours, start another one by the flags.cfg beside it"
_AGAIN = "delete the file and give rl_nas train --resume to measure again"


class RunFolder:
    """Paths of a run folder. Nothing is read or written before `create` or `reopen`.

    Attributes:
        path: the folder.
        config: all flags, the seed and the versions (JSON).
        flagfile: repeats the run.
        tensorboard: figures for TensorBoard.
    """

    _FIRST: ClassVar[tuple[str, ...]] = ("config.json", "flags.cfg")
    """Files that a start writes."""
    _BEFORE: ClassVar[tuple[str, ...]] = ()
    """What may be there before a start."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.config = self.path / "config.json"
        self.flagfile = self.path / "flags.cfg"
        self.tensorboard = self.path / "tensorboard"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Subfolders that are there while the run is at work."""
        return ()

    def check(self) -> None:
        """Raises `UsageError` if anything in the folder is a link to elsewhere, a pipe or a device.

        The folder itself may be a link.
        """
        check_folder(self.path)

    def check_new(self) -> None:
        """Raises `UsageError` if the folder holds anything, `StorageError` if it cannot be created.

        What a start left that ended before it had a config does not count.
        """
        with storage_errors(self.path):
            self._check_new()

    def _check_new(self) -> None:
        if self.config.exists():
            raise UsageError(
                f"--run_dir={self.path} already holds a run: continue it with --resume, or give another folder"
            )
        if self.path.exists() and (not self.path.is_dir() or not self._is_begun()):
            raise UsageError(f"--run_dir={self.path} holds other files; give a new or an empty folder")
        check_is_no_pattern("--run_dir", self.path)
        check_can_make("--run_dir", self.path)

    def _is_begun(self) -> bool:
        """Whether the folder holds nothing, or the lock and nothing else than other files of a start."""
        found = {path.name for path in self.path.iterdir()} - set(self._BEFORE)
        others = {name for name in found - {_LOCK} if final_name(name) not in self._FIRST}
        return not found or (_LOCK in found and not others)

    def create(self, config: dict[str, Any], flagfile: str, **files: str) -> None:
        """Begins a run: makes the folder, acquires its lock and writes its first files.

        Wherever this ends early, either the run can be resumed, or the folder still counts as new.

        Args:
            config: content of config.json.
            flagfile: content of flags.cfg.
            files: further files of `_FIRST`, by their names without endings.

        Raises:
            UsageError: another process has begun a run there since `check_new`.
            StorageError: the disk is full or read-only.
        """
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self._lock_kept():
            self.check()
            self.check_new()
            for path in self.path.iterdir():
                if path.name != final_name(path.name):
                    path.unlink()  # a draft of a start that was killed
            write_text(self.flagfile, flagfile)
            for name, text in files.items():
                write_text(getattr(self, name), text)
            # The config comes last: a folder with one is a run that can be resumed.
            self.write_config(config)
            self._make_folders()

    def write_config(self, config: dict[str, Any]) -> None:
        """Writes, or replaces, the run's config."""
        write_text(self.config, json.dumps(config, indent=2) + "\n")

    def reopen(self) -> dict[str, Any]:
        """Acquires the lock of an existing run; returns its config."""
        with storage_errors(self.path):
            if not self.config.exists():
                raise UsageError(f"--run_dir={self.path} holds no run to resume; start one without --resume")
        check_is_no_pattern("--run_dir", self.path)
        with self._lock_kept():
            config = self.read_config()  # which checks the folder
            self._make_folders()
        return config

    def read_config(self) -> dict[str, Any]:
        """The config of a run, which may be at work in another process; flags have their present names.

        Raises:
            UsageError: it is absent or broken, or the folder holds what `check` refuses.
        """
        self.check()
        config: dict[str, Any] = read_json(self.config, _CONFIG, REMEDY)
        if not isinstance(config.get("changes", []), list):
            raise UsageError(f"{self.config}: changes is no list; {REMEDY}")
        return {**config, "flags": current_flags(config["flags"])}

    @property
    def in_use(self) -> bool:
        """Whether a process has the lock of the run."""
        try:
            lock = os.open(self.path / _LOCK, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # such as of a file system without locks, on which no run can be
            return False
        finally:
            os.close(lock)
        return False

    def _make_folders(self) -> None:
        for folder in self.folders:
            make_folder(folder)

    @contextmanager
    def _lock_kept(self) -> Iterator[None]:
        """Acquires the lock, and keeps it unless the body fails; the system releases it however the process ends."""
        check_own(self.path / _LOCK)
        with storage_errors(self.path):
            lock = os.open(self.path / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"--run_dir={self.path} is in use by another process; wait for it or stop it"
                ) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise StorageError(f"cannot lock {self.path}: {error.strerror or error}") from error
                raise UsageError(
                    f"--run_dir={self.path}: its file system has no locks ({error.strerror}), which a run needs; give a"
                    " folder on another"
                ) from error
            yield
        except BaseException:
            os.close(lock)
            raise


class SearchFolder(RunFolder):
    """The folder of a search.

    Attributes:
        trials: SQLite.
        children: weights of the best children so far, and what becomes of each class (JSON), if the task tells it.
        best: genotype.json, cell.png, saved_model, model.keras, examples.png.
        model: the best child with its normalization, for Keras.
        network: of the best child, as data, for `rl_nas predict`.
        examples: held-out images with the predictions of the best child; absent if the task draws none.
        images: decoded, while the search runs.
        pretraining_images: those that backbones are pretrained on, likewise.
        states: of children whose training may continue, while the search runs.
        pretrained: weights of pretrained backbones, by network.
        shared: state and ranking of a search with shared weights.
        health: figures of the strategy's health, a JSON line for each update.
        decisions: probabilities of choices under the policy, a JSON line for an update; absent if there is none.
        hparams: trials as rows of TensorBoard's HParams.
        time: seconds of all sittings (JSON).
        then: the longer trainings of the best networks, a folder for each, and then.json.
        proxies: what `rl_nas proxy` found (JSON); no search has it.
        warm_start: the networks that the search begins with, by scores of untrained ones (JSON); absent otherwise.
        choice: which trial was chosen as the best when the search ended, and why (JSON).
        confirmed: the further trainings of the best trials (SQLite); absent if there are none.
        arrays: the images, if they came from a Python program: a data set of TFDS.
        front: genotypes of the networks on the front of several objectives; absent if there is one.
        front_json: their figures.
        front_csv: the same as a table.
    """

    _BEFORE = ("arrays",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.trials = self.path / "trials.sqlite"
        self.children = self.path / "children"
        self.best = self.path / _BEST
        self.model = self.best / "model.keras"
        self.network = NetworkFolder(self.best / NETWORK)
        self.examples = self.best / "examples.png"
        self.images = self.path / "images"
        self.pretraining_images = self.path / "pretraining_images"
        self.states = self.path / "states"
        self.pretrained = self.path / "pretrained"
        self.shared = self.path / "shared"
        self.health = self.path / "health.jsonl"
        self.decisions = self.path / "decisions.jsonl"
        self.hparams = self.path / "hparams"
        self.time = self.path / "time.json"
        self.then = self.path / "then"
        self.proxies = self.path / "proxies.json"
        self.warm_start = self.path / "warm_start.json"
        self.choice = self.path / "choice.json"
        self.confirmed = self.path / "confirmed.sqlite"
        self.arrays = self.path / "arrays"
        self.front = self.path / _FRONT
        self.front_json = self.path / "front.json"
        self.front_csv = self.path / "front.csv"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders of the children and of the best one."""
        return (self.children, self.best)

    def files(self) -> dict[str, Path]:
        """Files of a finished run, by description."""
        return {
            "best genotype": self.best / "genotype.json",
            **_if_there("its picture", self.best / "cell.png"),
            "its SavedModel": self.best / "saved_model",
            "its Keras model": self.model,
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
        classes: what becomes of each class of the measured splits (JSON); absent if the task tells none.
        examples: held-out images with predictions; absent if the task draws none.
    """

    _FIRST = (*RunFolder._FIRST, "genotype.json")

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
        self.classes = self.path / "classes.json"
        self.examples = self.path / "examples.png"

    def read_results(self) -> dict[str, Any]:
        """The final measurements.

        Raises:
            UsageError: they are absent or broken.
        """
        results: dict[str, Any] = read_json(self.results, RESULTS_FORM, _AGAIN)
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
            **_if_there("results by class", self.classes),
            "trained model": self.model,
            **_if_there("its predictions", self.examples),
            "genotype": self.genotype,
            "every epoch": self.history,
            "checkpoints": self.checkpoints,
            "settings": self.config,
            "repeat the run": self.flagfile,
        }


def run_at(place: Path) -> Path:
    """The folder of the run that a folder belongs to: itself, or the one above `best` or `front` of a search."""
    place = place.absolute()
    return place.parent if place.name in (_BEST, _FRONT) and not RunFolder(place).config.exists() else place


def _if_there(name: str, path: Path) -> dict[str, Path]:
    return {name: path} if path.exists() else {}
