"""Parts of networks trained again with seeds that no search has used."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import published_space

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import RunError, UsageError
from rl_nas.networks.families.catalog import family_of, neck_family
from rl_nas.networks.families.family import NECK
from rl_nas.spaces.decisions import Architecture, Genotype, SearchSpace
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.files import write_text
from rl_nas.store.run_folder import SearchFolder
from rl_nas.trial import Job
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.space import any_genotype

_FRESH = 10**6
"""First seed of the confirmations."""


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


def tested_on(config: SearchConfig) -> SearchConfig:
    """The config of trainings on all training images that are measured on the test split."""
    data = replace(
        config.data, group_by=None, group_size=None, valid_images=None, valid_fraction=DataSettings.valid_fraction
    )
    return replace(config, data=replace(data, valid_split="test"))


SPLITS: dict[str, Callable[[SearchConfig], SearchConfig]] = {"valid": lambda config: config, "test": tested_on}
"""Name in confirmed.json -> the config of trainings that are measured on the split."""


class Confirmed:
    """Qualities of parts with fresh seeds on one split, kept in a file.

    Args:
        file: with the qualities of all splits.
        split: name in the file.
        count: trainings of a part.
    """

    def __init__(self, file: Path, split: str, count: int) -> None:
        self._file, self._split, self._count = file, split, count

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
        config = SPLITS[self._split](missing[0][0].config)
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
                    write_text(self._file, json.dumps(kept, indent=2) + "\n")

    def mean_of(self, part: Part) -> float:
        """The mean quality of a part."""
        kept = self._read()
        return float(np.mean([kept[self._name(part, number)] for number in range(self._count)]))

    def _name(self, part: Part, number: int) -> str:
        decisions = part.name or " ".join(map(str, part.architecture))
        return f"{self._split}, {part.config.training.epochs} epochs, seed {number}: {decisions}"

    def _read(self) -> Mapping[str, float]:
        found: Mapping[str, float] = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        return found
