"""The networks of a run, made from a genotype and the flags that name their other parts. No TensorFlow."""

from __future__ import annotations

import math
import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.features import FeatureMaps, Features, feature_name
from rl_nas.networks.foreign import is_foreign, meant
from rl_nas.networks.genotypes import load
from rl_nas.networks.layer import Shape
from rl_nas.networks.lookup import find_genotype
from rl_nas.networks.network import feature_strides
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.networks.skeleton import Skeleton
from rl_nas.settings import expectation, field_types
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.settings import PartSettings
from rl_nas.tasks.task import Problem, Task

if TYPE_CHECKING:
    from rl_nas.child.network.keras_backbone import KerasBackbone


_FREE = "bn_momentum"
"""Setting that changes nothing that a trained network computes."""
_LARGEST, _LARGEST_NUMBER = {"cells": 200, "filters": 5000, "reductions": 10, "stem_multiplier": 100}, 100_000
"""Of a trained network whose record may be a stranger's: planning it must end."""


@dataclass(frozen=True)
class NamedBackbone:
    """A backbone that a flag names.

    Attributes:
        name: as given.
        genotype: of the backbone; None: it is a Keras model.
        skeleton: of the trained network; None: that of the flags.
        file: model.keras with its weights; None: it is not trained.
        keras: the opened Keras model, for the networks' images and head.
    """

    name: str
    genotype: Genotype | None
    skeleton: Skeleton | None = None
    file: Path | None = None
    keras: KerasBackbone | None = None

    @property
    def trained(self) -> bool:
        """Whether its weights are more than initial ones."""
        return self.file is not None if self.keras is None else self.keras.trained


def make_networks(
    task: Task,
    problem: Problem,
    genotype: Genotype,
    what: str,
    flags: Mapping[str, Any],
    image_shape: Shape,
    preset: str = "proxy",
    *,
    weights: bool = True,
) -> tuple[Networks, NamedBackbone | None]:
    """Makes the networks of a run.

    Args:
        task: of the networks.
        problem: of the data set, without parts.
        genotype: of the part that differs.
        what: the flag that it comes from.
        flags: values by name; they say what the other parts are.
        image_shape: height, width, channels.
        preset: of backbones of cells, if the flags name none.
        weights: whether the trained weights of a Keras model are needed, or its shapes alone.

    Returns:
        The networks, and their backbone if another part differs.

    Raises:
        UsageError: genotype, parts and task do not fit together.
    """
    settings = NetworkSettings.from_flags(flags)
    parts = PartSettings.from_flags({**PartSettings().flags(), **flags})
    problem = replace(problem, parts=other_parts(task, genotype, what, flags), image_size=image_shape[:2])
    if family_of(genotype).part == BACKBONE:
        skeleton = skeleton_of(genotype, settings, task.head(problem).reads, preset)
        problem = task.on_backbone(problem, feature_strides(genotype, skeleton, image_shape))
        return Networks(task, problem, settings, image_shape, preset=preset), None
    named = find_backbone(parts.backbone, task, settings)
    if named.genotype is None:
        networks = Networks(task, problem, settings, image_shape, preset=preset)
        return _on_keras(networks, named, genotype, parts, weights=weights)
    skeleton = named.skeleton or skeleton_of(named.genotype, settings, task.head(problem).reads, preset)
    problem = task.on_backbone(problem, feature_strides(named.genotype, skeleton, image_shape))
    networks = Networks(task, problem, named.skeleton or settings, image_shape, named.genotype, preset)
    return replace(networks, settings=networks.skeleton(genotype)), named


def _on_keras(
    networks: Networks, named: NamedBackbone, genotype: Genotype, parts: PartSettings, *, weights: bool
) -> tuple[Networks, NamedBackbone]:
    """The networks on a Keras model, which is cut where their heads read it."""
    from rl_nas.workflows.foreign import open_foreign  # imports TensorFlow

    source = open_foreign(parts, networks.image_shape, weights=weights)
    networks = replace(networks, problem=networks.task.on_backbone(networks.problem, source.shapes))
    offered = FeatureMaps(source.shapes, networks.image_shape[:2])
    head = replace(networks, backbone=offered).head(genotype)
    if head.max_stride is not None:
        raise UsageError(
            f"--dilated is for backbones of rl_nas; --backbone={named.name} is cut at --output_stride: leave it out"
        )
    strides = head.strides(source.shapes)
    levels = offered.plan().inputs
    features = Features({stride: levels[feature_name(stride)] for stride in source.shapes})
    for stride in strides:
        features.level(stride)  # raises if there is none
    backbone = source.cut(head.image_multiple, strides)
    networks = replace(networks, backbone=backbone.maps)
    return replace(networks, settings=networks.skeleton(genotype)), replace(named, keras=backbone)


def check_parts(task: Task, genotype: Genotype, what: str, flags: Mapping[str, Any]) -> None:
    """Raises `UsageError` if parts of networks are missing, unknown or given twice; arguments as in `make_networks`."""
    other_parts(task, genotype, what, flags)
    if family_of(genotype).part != BACKBONE:
        find_backbone(flags["backbone"], task, NetworkSettings.from_flags(flags))


def check_part(task: Task, genotype: Genotype, what: str) -> str:
    """The part that a genotype, from the flag `what`, describes.

    Raises:
        UsageError: the task's networks have no such part.
    """
    part = family_of(genotype).part
    if part not in task.parts:
        parts = " and ".join(f"a {name}" for name in task.parts)
        raise UsageError(f"{what} describes a {part}; networks of --task={task.name} consist of {parts}")
    return part


def other_parts(task: Task, searched: Genotype, what: str, flags: Mapping[str, Any]) -> dict[str, Genotype]:
    """Genotypes of the parts of a task's networks that are not searched, without the backbone.

    Args:
        task: of the networks.
        searched: a genotype of the part that is searched, or trained.
        what: the flag that gives it.
        flags: values by name; those of parts are names of genotypes.

    Raises:
        UsageError: the task's networks have no such part, a part is given twice, or a genotype is of another part.
    """
    part = check_part(task, searched, what)
    if flags.get(part) is not None:
        raise UsageError(f"--{part}={flags[part]}, but {what} describes the {part}; leave one of them out")
    found = {}
    for name, default in task.parts.items():
        if name not in (part, BACKBONE):
            given = str(flags.get(name) or default)
            found[name] = find_genotype(given)
            if family_of(found[name]).part != name:
                raise UsageError(f"--{name}={given} describes a {family_of(found[name]).part}; expected a {name}")
    return found


def find_backbone(name: str | None, task: Task, settings: NetworkSettings) -> NamedBackbone:
    """The backbone that --backbone names.

    Raises:
        UsageError: it is missing or no backbone, or settings would change a trained one.
    """
    if name is None:
        raise UsageError(
            f"--backbone is missing; every {task.noun} needs one, such as the folder of a training of rl_nas train"
        )
    if is_foreign(name):
        return NamedBackbone(name, None)
    application = None if name in PUBLISHED or os.path.exists(name) else meant(name)
    if application is not None:
        raise UsageError(f"--backbone={name} is neither a file nor a known name; did you mean {application}?")
    folder = TrainingFolder(name)
    if not (os.path.isfile(folder.model) and os.path.isfile(folder.results)):
        found = NamedBackbone(name, find_genotype(name))
    else:
        skeleton = _trained_skeleton(folder)
        given = {flag: value for flag, value in settings.flags().items() if value is not None}
        for flag, value in given.items():
            if flag != _FREE and value != getattr(skeleton, flag, None):
                raise UsageError(
                    f"--{flag}={value} would change --backbone={name}, which is trained already; leave it out"
                )
        skeleton = replace(skeleton, bn_momentum=given.get(_FREE, skeleton.bn_momentum))
        found = NamedBackbone(name, load(folder.genotype), skeleton, folder.model)
    assert found.genotype is not None
    part = family_of(found.genotype).part
    if part != BACKBONE:
        raise UsageError(f"--backbone={name} describes a {part}; expected a backbone")
    return found


def _trained_skeleton(folder: TrainingFolder) -> Skeleton:
    """The network of a finished training, from its results."""
    recorded = folder.read_results()["network"]
    known = {one.name: recorded[one.name] for one in fields(Skeleton) if one.name in recorded}
    defaults = Skeleton()
    for name, value in known.items():
        expected = _expected(name, value, getattr(defaults, name))
        if expected is not None:
            raise UsageError(f"{folder.results}: network {name} is {value!r}; expected {expected}")
    return Skeleton(**known)


def _expected(name: str, value: object, default: object) -> str | None:
    """Description of the expected value of a field of a skeleton; None if `value` is one."""
    if name == "stem":
        stems = typing.get_args(typing.get_type_hints(Skeleton)[name])
        return None if value in stems else " or ".join(stems)
    if name in field_types(NetworkSettings):
        expected = expectation(NetworkSettings, name, value)
    elif isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
        whole = not isinstance(default, int) or isinstance(value, int)
        expected = None if number and whole else f"a {'whole ' * isinstance(default, int)}number >= 0"
    most = _LARGEST.get(name, _LARGEST_NUMBER)
    too_large = expected is None and isinstance(value, int | float) and value > most
    return f"at most {most}" if too_large else expected
