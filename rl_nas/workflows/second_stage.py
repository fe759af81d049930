"""The papers' second stage: the best cells are trained longer and ranked again; the best one gets a full training.

Each training is `rl_nas train` in a separate process, with a folder under the search's: one that fails does not end
others, and a finished one is not repeated.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rl_nas.child.data.settings import DIVISION
from rl_nas.errors import RunError, UsageError
from rl_nas.evaluation.retraining import FOUND, RANDOM, Candidate, Retrained, of_kind, ranked
from rl_nas.execution import python_process
from rl_nas.exit_codes import INTERRUPTED
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, flag_words, parse
from rl_nas.networks.genotypes import to_json
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.files import make_folder, remove_folder, write_text
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.trial import Trial, best_trials
from rl_nas.workflows.config import SearchConfig, TrainConfig
from rl_nas.workflows.origin import for_training
from rl_nas.workflows.run_config import portable
from rl_nas.workflows.settings import SecondStageSettings
from rl_nas.workflows.trust import doors

_FULL = "full"
_TRIES = 10_000
"""Random networks to draw until one is not known."""
_TRAIN = Command(name="rl_nas train", summary="", examples=(), groups=TrainConfig.groups())
PASSED = ("data_dir", "split_seed", "stratify", *DIVISION, "task", "operations")
"""Flags that trainings get from the search: held-out images stay held out, and plug-ins are named."""


def candidates(
    settings: SecondStageSettings, space: SearchSpace[Any], trials: Sequence[Trial], seed: int
) -> Iterator[Candidate]:
    """The best networks of a search, random ones that it did not train, and published ones."""
    known = {space.canonical_key(trial.architecture) for trial in trials}
    for trial in best_trials(trials, settings.top):
        yield Candidate(f"{FOUND}{trial.index}", space.decode(trial.architecture), trial.reward)
    rng = np.random.default_rng([seed, 1])
    for number in range(settings.random):
        architecture = _unknown(space, rng, known)
        if architecture is None:
            found = f"{number} random networks; the search has trained nearly all others"
            print(f"--then_random={settings.random}: {found}", file=sys.stderr, flush=True)
            break
        yield Candidate(f"{RANDOM}{number}", space.decode(architecture), None)
    for name in published(settings):
        yield Candidate(name, PUBLISHED[name], None)


class SecondStage:
    """Trains candidates by `--then_train`, and the best of them by `--then_full`."""

    def __init__(self, settings: SecondStageSettings, folder: SearchFolder, config: SearchConfig) -> None:
        self._settings, self._folder = settings, folder
        self._passed, self._config = {name: config.flags()[name] for name in PASSED}, config

    def run(self, compared: Sequence[Candidate]) -> dict[str, Any]:
        """Writes then.json and returns its content: the results of every training, and of the final one.

        Raises:
            RunError: all trainings failed.
        """
        assert self._settings.train is not None
        seeds = range(self._settings.seeds)
        retrained = []
        for number, candidate in enumerate(compared, start=1):
            print(f"training {candidate.name} longer, {number} of {len(compared)}", file=sys.stderr, flush=True)
            results = [self._train(candidate, self._settings.train, seed, f"seed{seed}") for seed in seeds]
            retrained.append(Retrained(candidate.name, candidate.proxy, [one for one in results if one is not None]))
        finished = ranked(retrained)
        if not finished:
            raise RunError(f"all trainings of --then_train={self._settings.train} failed; see the lines above")
        document: dict[str, Any] = {"compared": [asdict(one) for one in retrained], "full": None}
        if self._settings.full is not None:
            best = (of_kind(finished, FOUND) or finished)[0]
            print(f"full training of {best.name}, the best cell found", file=sys.stderr, flush=True)
            chosen = next(candidate for candidate in compared if candidate.name == best.name)
            full = self._train(chosen, self._settings.full, 0, _FULL)
            place = (self._folder.then / best.name / _FULL).relative_to(self._folder.path)
            document["full"] = {"name": best.name, "folder": place.as_posix(), "results": full}
        write_text(self._folder.then / "then.json", json.dumps(document, indent=2) + "\n")
        return document

    def _train(self, candidate: Candidate, recipe: str, seed: int, name: str) -> dict[str, Any] | None:
        """The results of a training, which is started, continued or read; None if it failed."""
        home = self._folder.then / candidate.name
        folder = TrainingFolder(home / name)
        if not folder.results.exists():
            if folder.in_use:
                raise UsageError(f"another process trains {folder.path}; wait for it or stop it, then give --resume")
            genotype = json.dumps(to_json(candidate.genotype), indent=2) + "\n"
            read = parse(_TRAIN, [f"--flagfile={recipe}"])
            flags = {**for_training(portable(self._config.flags()), self._folder, read), **self._passed}
            if folder.config.exists():
                if not folder.genotype.exists():  # the training was killed before it wrote it
                    write_text(folder.genotype, genotype)
                words = ["--resume", *flag_words(portable(doors({**read.values, **flags})))]
            else:
                remove_folder(folder.path)  # of a training that was killed before it began
                make_folder(home)
                write_text(home / "genotype.json", genotype)
                words = [f"--genotype={home / 'genotype.json'}", f"--flagfile={recipe}", f"--seed={seed}"]
                words += flag_words(flags)
            words += [f"--run_dir={folder.path}", *(["--trust"] if self._config.trust.trust else [])]
            code = subprocess.call(
                python_process.command("rl_nas", "train", *words),
                env=python_process.environment(),
                stdout=subprocess.DEVNULL,
            )
            if code == INTERRUPTED:
                raise KeyboardInterrupt
            if code < 0:  # others have said why
                print(f"{folder.path}: the training was ended by a signal: {signal.strsignal(-code)}", file=sys.stderr)
            if code:
                return None
        return folder.read_results()


def published(settings: SecondStageSettings) -> list[str]:
    """Names of the published networks that are trained too; raises `UsageError` for unknown ones."""
    return names_of(settings.also, list(PUBLISHED), "then_also") if settings.also else []


def _unknown(space: SearchSpace[Any], rng: np.random.Generator, known: set[str]) -> Architecture | None:
    """An architecture of a network that is not known, which is added to the known ones; None if none is found."""
    for _ in range(_TRIES):
        architecture = space.sample(rng)
        key = space.canonical_key(architecture)
        if key not in known:
            known.add(key)
            return architecture
    return None
