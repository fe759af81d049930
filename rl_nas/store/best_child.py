"""Keeps the best child of a run: its genotype as a file that is always valid; and the weights of the best few."""

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from rl_nas.admission import reward_of
from rl_nas.array_files import read_arrays
from rl_nas.networks.genotypes import to_json
from rl_nas.spaces.decisions import Architecture, Genotype
from rl_nas.store.class_results import ClassResults, write_class_results
from rl_nas.store.files import remove_folder, storage_errors, write_atomically, write_text
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Job, Measurement, Trial

_SUFFIX, _CLASSES = ".weights.npz", ".classes.json"


KEPT = 10
"""Children with the highest rewards whose weights are kept: the best of them by more than one reward may be another."""

VALID = "valid"
"""The images that children are measured on, in the file of their classes."""


class Model(Protocol):
    """The part of a Keras model, or of a model trained in its place, that is needed."""

    @property
    def weights(self) -> list[Any]:
        """Its variables; each has a unique `path`, `numpy` and `assign`."""


class ChildWeights:
    """Saves weights and classes of children that may be among the run's best: those that few of this process beat.

    However many processes train children of a run, its best few are among these. `BestChild` deletes the others when
    they are recorded.
    """

    def __init__(self, folder: SearchFolder, reward: Callable[[Measurement], float]) -> None:
        self._folder, self._reward = folder, reward
        self._best = [-math.inf] * KEPT  # rewards, ascending

    def keep(self, job: Job, measurement: Measurement, model: Model, classes: ClassResults | None = None) -> None:
        """Saves a trained child's weights if it may be the best; those of one that may be trained on anyway.

        Args:
            job: of the child.
            measurement: of the child.
            model: with its weights.
            classes: its results of each class; None: the task tells none.

        Raises:
            ChildError: it has no reward.
        """
        reward, goes_on = reward_of(measurement, self._reward), job.epochs is not None
        # Of equals the earlier trial is the best, but may be the later one here: its first attempt failed.
        if goes_on or reward >= self._best[0]:
            write_atomically(weights_of(self._folder, job.index), lambda path: _save(model, path))
            if classes is not None:
                write_class_results(classes_of(self._folder, job.index), {VALID: classes})
            else:  # those of a killed attempt may be of another epoch
                classes_of(self._folder, job.index).unlink(missing_ok=True)
        if not goes_on:  # others are compared by what they have in the end
            self._best = sorted([*self._best, reward])[1:]


class BestChild:
    """Follows a search and keeps its best trial so far, and the weights of the `KEPT` best.

    The weights are on disk before the trial is recorded, and the genotype is replaced after it, so that a
    kill at any instant leaves every recorded best with its weights.

    Attributes:
        trial: the one with the highest reward, or that `crown` was called with last; None: none has succeeded.
    """

    def __init__(self, folder: SearchFolder, decode: Callable[[Architecture], Genotype]) -> None:
        self._folder, self._decode = folder, decode
        self.trial: Trial | None = None
        self._kept: list[Trial] = []  # best first

    @property
    def weights(self) -> Path:
        """The best child's weights; absent if it was trained on a machine that does not share the folder."""
        assert self.trial is not None
        return weights_of(self._folder, self.trial.index)

    def load_weights(self, model: Model, others: Mapping[str, np.ndarray] = MappingProxyType({})) -> None:
        """Copies the best child's weights to a model of its architecture, which may lack parts for training only.

        Args:
            model: the network.
            others: weights by path of parts of the network that the child does not have.
        """
        arrays = read_arrays(self.weights, names={variable.path for variable in model.weights})
        for variable in model.weights:
            variable.assign(arrays[variable.path] if variable.path in arrays else others[variable.path])

    def follow(self, trial: Trial) -> None:
        """Makes a recorded trial the best if it is; deletes the weights of those that are not among the best."""
        if trial.reward is not None and all(trial.index != one.index for one in self._kept):  # it may be shown again
            self._kept = sorted([*self._kept, trial], key=_rank, reverse=True)
        if self._kept and (self.trial is None or _rank(self._kept[0]) > _rank(self.trial)):
            self.crown(self._kept[0])
        left, self._kept = [trial, *self._kept[KEPT:]], self._kept[:KEPT]
        kept = {one.index for one in self._kept}
        with storage_errors(self._folder.children):
            for index in {one.index for one in left} - kept:
                for path in _files_of(self._folder, index):
                    path.unlink(missing_ok=True)

    def restore(self, trials: Sequence[Trial]) -> None:
        """Restores the best trials of a run that is continued, while none of its children is in training."""
        self._kept = sorted((one for one in trials if one.reward is not None), key=_rank, reverse=True)[:KEPT]
        if self._kept:
            self.crown(self._kept[0])
        with storage_errors(self._folder.children):
            kept = {path for trial in self._kept for path in _files_of(self._folder, trial.index)}
            for path in [*self._folder.children.glob(f"*{_SUFFIX}"), *self._folder.children.glob(f"*{_CLASSES}")]:
                if path not in kept:
                    path.unlink()

    def crown(self, trial: Trial) -> None:
        """Makes a trial the best, whatever its reward: its genotype stands in the folder of the best one."""
        self.trial = trial
        document = {
            **to_json(self._decode(trial.architecture)),
            "found_by": {"trial": trial.index, "reward": trial.reward},
        }
        text = json.dumps(document, indent=2) + "\n"
        path = self._folder.best / "genotype.json"
        if path.exists() and path.read_bytes() == text.encode():
            return
        with storage_errors(self._folder.best):
            # A picture and a network of an earlier best must not stand beside this genotype.
            for file in (self._folder.best / "cell.png", self._folder.examples, self._folder.model):
                file.unlink(missing_ok=True)
            for network in (self._folder.best / "saved_model", self._folder.network.path):
                remove_folder(network)
        write_text(path, text)


def _rank(trial: Trial) -> tuple[float, int]:
    """Sort key of trials, the best one largest; of equals the earlier, in whatever order they are recorded."""
    return (-math.inf if trial.reward is None else trial.reward), -trial.index


def weights_of(folder: SearchFolder, index: int) -> Path:
    """The file of the weights of a trial, which need not be there."""
    return folder.children / f"{index}{_SUFFIX}"


def classes_of(folder: SearchFolder, index: int) -> Path:
    """The file of the results of each class of a trial, of the split `VALID`, which need not be there."""
    return folder.children / f"{index}{_CLASSES}"


def _files_of(folder: SearchFolder, index: int) -> tuple[Path, Path]:
    return weights_of(folder, index), classes_of(folder, index)


def _save(model: Model, path: Path) -> None:
    # Created in memory, written by Python: on a full disk HDF5 raises no OSError, and may end the process.
    content = io.BytesIO()
    np.savez(content, **{variable.path: variable.numpy() for variable in model.weights})
    path.write_bytes(content.getvalue())
