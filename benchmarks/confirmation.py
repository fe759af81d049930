"""Parts of networks trained again with seeds that no search has used."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import published_space
from kept import check_same

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import RunError, UsageError
from rl_nas.networks.families.catalog import family_of, neck_family
from rl_nas.networks.families.family import NECK
from rl_nas.spaces.decisions import Architecture, Genotype, SearchSpace
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.files import write_text
from rl_nas.store.json_files import OTHERS, SCALAR, read_json
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Job
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.run_config import portable
from rl_nas.workflows.space import any_genotype
from rl_nas.workflows.tensorflow_setup import load_tensorflow

_FRESH = 10**6
"""First seed of the confirmations."""
_OF_SEARCH = ("run", "execution", "strategy", "controller", "evolution", "health", "estimator", "reward", "then")
"""Groups of a `SearchConfig` that say what is trained, where and in which order, but not how."""
_NOT_OF_RECIPE = {"epochs", "data_dir", "feature_dir", "pretrain_dir"}
_KEPT_BEFORE = {OTHERS: float}
"""Form of confirmed.json without the flags: they are those of the searches beside it."""
_KEPT = {"flags": {OTHERS: SCALAR}, "qualities": _KEPT_BEFORE}


class Part(NamedTuple):
    """A part that is confirmed.

    Attributes:
        architecture: of the config's space.
        config: of its trainings.
        name: if it is no architecture of the space that is searched.
    """

    architecture: Architecture
    config: SearchConfig
    name: str | None = None


def published_part(name: str, config: SearchConfig, space: SearchSpace[Any]) -> Part:
    """A published genotype as an architecture of the space, or else of a space of its own."""
    genotype, other = PUBLISHED[name], any_genotype(space)
    if genotype.KIND == other.KIND:
        try:
            return Part(space.encode(genotype), config)
        except UsageError:
            pass  # it is of another size
    return Part((), alone(name, config, other), name)


def alone(name: str, config: SearchConfig, searched: Genotype) -> SearchConfig:
    """The config of trainings of a published genotype that a space does not hold.

    Args:
        name: of the genotype.
        config: of the search.
        searched: any genotype of its space, whose levels a neck for any levels gets.
    """
    flags = {**config.flags(), **SpaceSettings(space=f"{published_space.__name__}:{name}").flags()}
    if family_of(searched).part == NECK and neck_family(PUBLISHED[name]).levels(PUBLISHED[name]) is None:
        levels = neck_family(searched).levels(searched)
        flags["levels"] = flags["levels"] or (levels and f"{min(levels)}-{max(levels)}")
    return SearchConfig.from_flags(flags)


def tested_on(config: SearchConfig, split: str) -> SearchConfig:
    """The config of trainings on all training images that are measured on a split."""
    data = replace(
        config.data, group_by=None, group_size=None, valid_images=None, valid_fraction=DataSettings.valid_fraction
    )
    return replace(config, data=replace(data, valid_split=split))


def task_and_test_split(flags: Mapping[str, Any]) -> tuple[str, str]:
    """The task of a data set and its split for the test; opens it with TensorFlow.

    Args:
        flags: of a `SearchConfig`.

    Raises:
        UsageError: there is no such split, or its targets are secret.
    """
    load_tensorflow()
    from rl_nas.child.data.splits import TEST_SPLITS
    from rl_nas.tasks.sources import open_source

    config = SearchConfig.from_flags(flags)
    task, source = open_source(config.data, config.task.task, flags)
    split = source.test_split
    if split is None:
        raise UsageError(
            f"--dataset={config.data.dataset} has no split {', '.join(TEST_SPLITS)} that is not held out, and parts are"
            " measured on one at the end; give a data set with one"
        )
    source.check_targets(split, "parts are measured on it at the end; give a data set that has them")
    return config.task.task or task.name, split


def recipe_of(config: SearchConfig) -> dict[str, Any]:
    """The flags, with absolute paths, that qualities depend on, but for the epochs, which their names tell."""
    others = {name for group in _OF_SEARCH for name in getattr(config, group).flags()} | _NOT_OF_RECIPE
    return {name: value for name, value in portable(config.flags()).items() if name not in others}


class Confirmed:
    """Qualities of parts with fresh seeds on one split, kept in a file.

    Args:
        file: with the qualities of all splits, and the flags that they depend on.
        config: of the search.
        split: of the data set, measured after trainings on all training images; None: images that these hold out.
        count: trainings of a part.

    Raises:
        UsageError: the file is broken, or of other flags.
    """

    def __init__(self, file: Path, config: SearchConfig, split: str | None, count: int) -> None:
        self._file, self._recipe, self._split, self._count = file, recipe_of(config), split, count
        if self._read():
            self._check_recipe()

    def measure(self, parts: Sequence[Part]) -> None:
        """Trains what is not in the file yet."""
        for space in dict.fromkeys(part.config.space for part in parts):
            self._measure([part for part in parts if part.config.space == space])

    def _measure(self, parts: Sequence[Part]) -> None:
        from rl_nas.workflows.children import Children

        kept = self._read()
        wanted = {self._name(one, number): (one, number) for one in parts for number in range(self._count)}
        missing = [pair for name, pair in wanted.items() if name not in kept]
        if not missing:
            return
        load_tensorflow()
        config = missing[0][0].config
        if self._split is not None:
            config = tested_on(config, self._split)
        jobs = [Job(place, one.architecture, _FRESH + number) for place, (one, number) in enumerate(missing)]
        with tempfile.TemporaryDirectory() as scratch:
            folder = SearchFolder(scratch)
            for path in folder.folders:
                path.mkdir()
            with Children(config.execution, folder).executor(config) as executor:
                for outcome in executor.run(jobs):
                    if outcome.measurement is None:
                        raise RunError(f"a confirmation failed: {outcome.failures[-1].error}")
                    one, number = missing[outcome.job.index]
                    kept = {**self._read(), self._name(one, number): outcome.measurement.quality}
                    document = {"flags": self._recipe, "qualities": kept}
                    write_text(self._file, json.dumps(document, indent=2) + "\n")

    def mean_of(self, part: Part) -> float:
        """The mean quality of a part."""
        kept = self._read()
        return float(np.mean([kept[self._name(part, number)] for number in range(self._count)]))

    def _name(self, part: Part, number: int) -> str:
        decisions = part.name or " ".join(map(str, part.architecture))
        return f"{self._split or 'valid'}, {part.config.training.epochs} epochs, seed {number}: {decisions}"

    def _read(self) -> Mapping[str, float]:
        document = self._document()
        found: Mapping[str, float] = document.get("qualities", document)
        return found

    def _check_recipe(self) -> None:
        usual, document = SearchConfig().flags(), self._document()
        if "flags" in document:
            check_same(self._file, document["flags"], self._recipe, usual)
            return
        searches = [SearchFolder(path.parent) for path in sorted(self._file.parent.glob("*/config.json"))]
        if not searches:
            raise UsageError(f"{self._file} tells no flags, nor does a search beside it; give another --out")
        for folder in searches:
            check_same(folder.path, folder.read_config()["flags"], self._recipe, usual)

    def _document(self) -> Mapping[str, Any]:
        return read_json(self._file, (_KEPT, _KEPT_BEFORE), "give another --out") if self._file.exists() else {}
