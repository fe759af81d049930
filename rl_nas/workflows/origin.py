"""The run that a genotype comes from: its data, its task, and the networks that were trained with it. No TensorFlow."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from rl_nas.child.data.settings import DataSettings
from rl_nas.evaluation.settings import PretrainSettings
from rl_nas.flags.parsing import Parsed, flag_words
from rl_nas.networks.layer import Shape
from rl_nas.networks.own_operations import OperationSettings
from rl_nas.networks.settings import NetworkSettings
from rl_nas.renamed import BEFORE
from rl_nas.settings import Settings
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.json_files import check_form
from rl_nas.store.run_folder import RunFolder
from rl_nas.store.search_folder import SearchFolder, run_at
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.tasks.catalog import DATA_SETTINGS, TASK_SETTINGS
from rl_nas.tasks.settings import PartSettings, TaskSettings
from rl_nas.workflows.config import SearchConfig, TrainConfig
from rl_nas.workflows.recorded_flags import check_values
from rl_nas.workflows.run_config import DATA, DATA_FORM, portable
from rl_nas.workflows.sizing import UNITS, without_given
from rl_nas.workflows.trust import check_recorded


@dataclass(frozen=True)
class Origin:
    """The run that a genotype comes from.

    Attributes:
        name: as given, for messages.
        folder: of the run.
        config: content of its config.json.
    """

    name: str
    folder: SearchFolder | TrainingFolder
    config: Mapping[str, Any]

    @classmethod
    def of(cls, genotype: str | None) -> Self | None:
        """The run of `--genotype`, a folder or a genotype of its best or its front; None: it names no run.

        Raises:
            UsageError: the run's config is broken.
        """
        if genotype is None or genotype in PUBLISHED or not os.path.exists(genotype):
            return None
        place = Path(genotype).absolute()
        if not place.is_dir():
            if place.name != "genotype.json" and not place.name.endswith(".genotype.json"):
                return None
            place = place.parent
        folder = RunFolder(run_at(place))
        if not folder.config.exists():
            return None
        config = folder.read_config()
        return cls(genotype, (SearchFolder if _is_search(config) else TrainingFolder)(folder.path), config)

    @property
    def flags(self) -> Mapping[str, Any]:
        """The flags of the run, with absolute paths."""
        return {**BEFORE, **self.config["flags"]}

    @property
    def preset(self) -> str:
        """The preset of its backbones of cells, if its flags name none: that of searches or of trainings."""
        return "proxy" if _is_search(self.config) else "cifar"

    @cached_property
    def image(self) -> Shape | None:
        """Height, width and channels of its images; None: it is of a version that did not record them."""
        image: Sequence[int] | None = self._data.get("image")
        if image is None:
            return None
        check_form(image, [int], self.folder.config)
        height, width, channels = (*image, 0, 0, 0)[:3]
        return height, width, channels

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of its classes; None: it is of a version that did not record them."""
        return tuple(self._data["classes"]) if self._data else None

    @property
    def _data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.config.get(DATA, {})
        if data:
            check_form(data, DATA_FORM, self.folder.config)
        return data

    def for_training(self, parsed: Parsed) -> tuple[Parsed, str]:
        """The flags of a training with those of the run that it does not give, and a line that tells which.

        Raises:
            UsageError: what the record leads to must be given again.
        """
        found = for_training(self.flags, self.folder, parsed)
        given, was = portable(parsed.values)["dataset"], self.flags.get("dataset")
        if given not in (None, was):
            line = f"{self.name} is a run on {was}: with --dataset={given}, its splits and image size are not taken"
        else:
            known = self.image is not None and "image_size" not in parsed.given
            size = ["x".join(map(str, (self.image or ())[:2]))] if known else []
            told = {"dataset", *(["image_size"] if size else [])}
            others = {name: value for name, value in found.items() if name not in told}
            line = f"data of {self.name}: {', '.join([str(was), *size, *_words(others, parsed)])}"
        return self._merged(found, parsed), line

    def for_description(self, parsed: Parsed) -> tuple[Parsed, str]:
        """The flags of a description with those of its networks that it does not give, and a line that tells them.

        Raises:
            UsageError: what the record leads to must be given again.
        """
        groups: list[type[Settings]] = [OperationSettings, TaskSettings, PartSettings]
        if "network" not in parsed.given:
            groups.append(NetworkSettings)
        if _same_task(self.flags, parsed):
            of_data = () if self.classes is None else DATA_SETTINGS  # their names are recorded
            groups += (group for group in TASK_SETTINGS if group not in of_data)
        found = _not_given(self.flags, parsed, _names(groups)) | self._of_image(parsed)
        unknown = [] if self.image else ["images of unrecorded size"]
        line = f"network of {self.name}: {', '.join([*unknown, *_words(found, parsed)]) or 'the default'}"
        return self._merged(found, parsed), line

    def _of_image(self, parsed: Parsed) -> dict[str, Any]:
        """The flags of `rl_nas describe` for its images that are not given."""
        if self.image is None:
            return {}
        height, width, channels = self.image
        flags = {"image_size": f"{height}x{width}", "channels": channels}
        return {name: value for name, value in flags.items() if name not in parsed.given}

    def _merged(self, found: Mapping[str, Any], parsed: Parsed) -> Parsed:
        read = [name for name, value in found.items() if value != parsed.values[name]]
        check_recorded(self.config, parsed.given, self.folder.path, trust=parsed.values["trust"], read=read)
        check_values(found, found, (*TrainConfig.groups(), *SearchConfig.groups()), self.folder.config)
        values = {**parsed.values, **found}
        return replace(parsed, values=without_given(values, found) if "auto" in values else values)


def for_training(recorded: Mapping[str, Any], folder: SearchFolder | TrainingFolder, parsed: Parsed) -> dict[str, Any]:
    """Flags that a training takes from the run of its genotype: those that say what its data are, and its other parts.

    Where the training gives another data set, only the parts. Backbones start from their pretraining in the run, unless
    the training says from what.

    Args:
        recorded: flags of the run, with absolute paths.
        folder: of the run.
        parsed: of the training.
    """
    groups: list[type[Settings]] = [OperationSettings, PartSettings]
    other: set[str] = set()
    if portable(parsed.values)["dataset"] in (None, recorded.get("dataset")):
        groups += [DataSettings, TaskSettings]
        other.add("normalization")
        if _same_task(recorded, parsed):
            groups += TASK_SETTINGS
    of_pretraining = set(PretrainSettings().flags())
    if recorded.get("pretrain_epochs") is not None and not parsed.given & {"init", *of_pretraining}:
        other |= of_pretraining
    found = _not_given(recorded, parsed, {*_names(groups), *other} - {"train_images"})
    if found.get("pretrain_epochs") and found.get("pretrain_dir") is None:
        found["pretrain_dir"] = str(folder.pretrained)
    divided = {**parsed.values, **found}
    if divided["valid_split"] is not None and divided["test_fraction"] is None:  # nothing is left to divide
        found = {name: value for name, value in found.items() if name not in ("group_by", "group_size")}
    return found


def _not_given(recorded: Mapping[str, Any], parsed: Parsed, names: Collection[str]) -> dict[str, Any]:
    """The recorded flags of these names that a call does not give, nor another that says the same."""
    given = parsed.given.union(*(unit for unit in UNITS if unit & parsed.given))
    return {name: value for name, value in recorded.items() if name in names and name in parsed.values.keys() - given}


def _words(found: Mapping[str, Any], parsed: Parsed) -> list[str]:
    """The flags that are taken and not the default."""
    return flag_words({name: value for name, value in found.items() if value != parsed.values[name]})


def _is_search(config: Mapping[str, Any]) -> bool:
    return "trials" in config["flags"]


def _same_task(recorded: Mapping[str, Any], parsed: Parsed) -> bool:
    return parsed.values["task"] in (None, recorded.get("task"))


def _names(groups: Collection[type[Settings]]) -> set[str]:
    return {name for group in groups for name in group().flags()}
