"""Keeps the best child of a run: its genotype as a file that is always valid, and its weights."""

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rl_nas.spaces import genotype as genotypes
from rl_nas.spaces.decisions import Architecture
from rl_nas.store.files import storage_errors, write_atomically, write_text
from rl_nas.store.run_folder import SearchFolder
from rl_nas.trial import Job, Measurement, Trial

_SUFFIX = ".weights.npz"


class Model(Protocol):
    """What is needed of a Keras model."""

    @property
    def weights(self) -> list[Any]:
        """Its variables; each has a `path` that tells it from the others, `numpy` and `assign`."""


class BestChild:
    """Follows a search and keeps its best trial so far.

    The weights are on the disk before the trial is recorded, and the genotype is replaced after, so
    that a kill at any instant leaves every recorded best with its weights.
    """

    def __init__(
        self,
        folder: SearchFolder,
        decode: Callable[[Architecture], genotypes.Genotype],
        reward: Callable[[Measurement], float],
    ) -> None:
        self._folder, self._decode, self._reward = folder, decode, reward
        self.trial: Trial | None = None

    @property
    def weights(self) -> Path:
        """The best child's weights."""
        assert self.trial is not None
        return self._weights(self.trial.index)

    def keep(self, job: Job, measurement: Measurement, model: Model) -> None:
        """Saves the weights of a child that beats the best; called when it is trained."""
        if self.trial is None or self._reward(measurement) > self._best_reward():
            write_atomically(self._weights(job.index), lambda path: _save(model, path))

    def load_weights(self, model: Model) -> None:
        """Gives the best child's weights to a model built as it was; what only its training needed may be missing."""
        with np.load(self.weights) as archive:
            for variable in model.weights:
                variable.assign(archive[variable.path])

    def follow(self, trial: Trial) -> None:
        """Makes a recorded trial the best if it is; called when it is recorded."""
        if trial.reward is not None and trial.reward > self._best_reward():
            self._crown(trial)

    def restore(self, trials: Sequence[Trial]) -> None:
        """Takes up the trials of a run that is continued."""
        successful = [trial for trial in trials if trial.reward is not None]
        if successful:
            # max returns the earliest of equals, as follow keeps it.
            self._crown(max(successful, key=lambda trial: trial.reward or 0.0))

    def _crown(self, trial: Trial) -> None:
        self.trial = trial
        document = {
            **genotypes.to_json(self._decode(trial.architecture)),
            "found_by": {"trial": trial.index, "reward": trial.reward},
        }
        text = json.dumps(document, indent=2) + "\n"
        path = self._folder.best / "genotype.json"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        with storage_errors(self._folder.best):
            # A picture and a SavedModel of an earlier best must not stand beside this genotype.
            (self._folder.best / "cell.png").unlink(missing_ok=True)
            shutil.rmtree(self._folder.best / "saved_model", ignore_errors=True)
        write_text(path, text)
        for other in self._folder.children.glob(f"*{_SUFFIX}"):
            if other != self.weights:
                other.unlink()

    def _best_reward(self) -> float:
        return float("-inf") if self.trial is None or self.trial.reward is None else self.trial.reward

    def _weights(self, index: int) -> Path:
        return self._folder.children / f"{index}{_SUFFIX}"


def _save(model: Model, path: Path) -> None:
    # Made in memory, written by Python: on a full disk HDF5 raises no OSError, and may end the process.
    content = io.BytesIO()
    np.savez(content, **{variable.path: variable.numpy() for variable in model.weights})
    path.write_bytes(content.getvalue())
