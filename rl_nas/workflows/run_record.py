"""A search as its folder records it: trials, genotypes, the best child. TensorFlow is loaded for its model alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl_nas.errors import UsageError
from rl_nas.report.tables import counted
from rl_nas.spaces.decisions import Genotype, SearchSpace
from rl_nas.store.best_child import weights_of
from rl_nas.store.choice import Choice, best_of, read_choice
from rl_nas.store.json_files import blaming
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.tasks.catalog import TASKS, find_task
from rl_nas.tasks.task import Task
from rl_nas.trial import Trial
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.space import search_space
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import check_recorded

if TYPE_CHECKING:
    import keras


class RunRecord:
    """A search as its folder records it. Nothing in the folder is changed or executed, and the run may be at work.

    Attributes:
        folder: of the run.
        config: content of its config.json.
        trials: those that were recorded when it was opened, in the order of their numbers.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, trust: bool = False, given: Collection[str] = (), what: str = ""
    ) -> None:
        """Reads the trials.

        Args:
            path: the folder.
            trust: import code of yours that the run records, though you did not start it on this machine.
            given: names of the flags that this call repeats.
            what: the flag that names the folder, for messages.

        Raises:
            UsageError: it is no folder of a search, or its files are broken.
            StorageError: its trials are damaged.
        """
        self.folder, self._trust, self._given = SearchFolder(path), trust, given
        if not self.folder.trials.exists():
            raise UsageError(f"{what}{self.folder.path} holds no trials.sqlite; expected the folder of a search")
        self.config: dict[str, Any] = self.folder.read_config()
        self.trials: Sequence[Trial] = tuple(read_trials(self.folder.trials))

    def __repr__(self) -> str:
        states = Counter(trial.state for trial in self.trials)
        counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
        best = "" if self.best is None else f"; best: trial {self.best.index}, reward {self.best.reward:.4f}"
        return f"<run {self.folder.path}: {counted(len(self.trials), 'trial')} ({counts or 'none yet'}){best}>"

    @property
    def best(self) -> Trial | None:
        """The trial chosen when the search ended, else that with the highest reward; None: none succeeded."""
        return best_of(self.trials, self.choice)

    @cached_property
    def choice(self) -> Choice | None:
        """Why the best was chosen when the search ended; None: it has not ended, or went on since.

        Raises:
            UsageError: the record of it is broken.
        """
        return read_choice(self.folder, self.trials)

    def trial(self, number: int | None = None) -> Trial:
        """A trial by its number; None: the best.

        Raises:
            UsageError: there is none.
        """
        if number is None:
            if self.best is None:
                raise UsageError(
                    f"{self.folder.path}: none of {len(self.trials)} trials succeeded; give the number of one"
                )
            return self.best
        for trial in self.trials:
            if trial.index == number:
                return trial
        numbers = f"0 to {self.trials[-1].index}" if self.trials else "none yet"
        raise UsageError(f"{self.folder.path} has no trial {number}; recorded: {numbers}")

    def genotype(self, trial: int | Trial | None = None) -> Genotype:
        """The genotype of a trial, by the trial or its number; None: of the best.

        Raises:
            UsageError: there is no such trial, the space is code that is not trusted, or the trial is not of the space.
        """
        found = trial if isinstance(trial, Trial) else self.trial(trial)
        space = self.space
        with blaming(self.folder.trials):
            genotype: Genotype = space.decode(found.architecture)
        return genotype

    def weights(self, trial: int | Trial | None = None) -> Path | None:
        """The file of a trial's trained weights; None: they were not kept, as those of most."""
        found = trial if isinstance(trial, Trial) else self.trial(trial)
        path = weights_of(self.folder, found.index)
        return path if path.exists() else None

    def best_model(self) -> keras.Model:
        """The best child, trained, as a Keras model: uint8 images [batch, height, width, channels] to predictions.

        It is rebuilt by rl_nas from the data in best/network, and compiled with Adam and the loss of its task, so that
        `fit`, `evaluate`, `predict` and `save` work; that of a detector, whose predictions are boxes, is not.

        Raises:
            UsageError: the run has not ended yet, or its files are broken.
        """
        network = self.folder.network
        if not network.exists():
            raise UsageError(
                f"{self.folder.path} holds no best/network, which is written when a search ends or is stopped by"
                " Ctrl-C; rl_nas search --resume writes it"
            )
        document = network.read()
        task = self._task(document["task"])
        load_tensorflow()
        from rl_nas.workflows.network_files import read_network

        serving = read_network(network, document, task)
        model = serving.keras_model()
        if serving.compile_arguments:
            model.compile(**serving.compile_arguments)
        return model

    @cached_property
    def space(self) -> SearchSpace[Any]:
        """The search space.

        Raises:
            UsageError: it is code that is not trusted, or is not there.
        """
        self._check_trust(("space", "operations"))
        with blaming(self.folder.config):
            return search_space(SearchConfig.from_flags({**SearchConfig().flags(), **self.config["flags"]}))

    def _task(self, name: str) -> Task:
        """The task of a network: of the catalog, or the one that the config names, never code that a network names."""
        if name in TASKS:
            return TASKS[name]
        own = self.config["flags"].get("task")
        if own is None:
            raise UsageError(f"{self.folder.network.path} is of task {name!r}; expected one of {', '.join(TASKS)}")
        self._check_trust(("task",))
        return find_task(own)

    def _check_trust(self, read: Collection[str]) -> None:
        check_recorded(self.config, self._given, self.folder.path, trust=self._trust, read=read)
