"""The network of a genotype and its cost. TensorFlow is loaded for backbones of Keras alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rl_nas.image_size import parse_image_size
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.layer import Cost
from rl_nas.networks.network import size_notation
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.task import Task
from rl_nas.workflows.networks import find_backbone, make_networks
from rl_nas.workflows.tensorflow_setup import load_tensorflow

_KERAS_IMAGE = 224
"""Pixels of the images that models of keras.applications are published for."""


@dataclass(frozen=True)
class Description:
    """A genotype and the cost of its network at inference.

    Attributes:
        genotype: of a part of the network.
        networks: of which it is one.
        keras: cost of a backbone that is a Keras model.
    """

    genotype: Genotype
    networks: Networks
    keras: Cost

    @cached_property
    def skeleton(self) -> Skeleton:
        """The network around the backbone."""
        return self.networks.skeleton(self.genotype)

    @cached_property
    def cost(self) -> Cost:
        """Parameters and multiply-adds."""
        return self.networks.plan(self.genotype).cost() + self.keras

    @property
    def size(self) -> str:
        """N@P as in the papers; empty without cells."""
        return size_notation(self.networks.backbone_of(self.genotype), self.skeleton)


def describe(
    genotype: Genotype,
    what: str,
    flags: Mapping[str, Any],
    task: Task,
    *,
    classes: Sequence[str] | None = None,
    preset: str = "cifar",
) -> Description:
    """Plans the network of a genotype.

    Args:
        genotype: to describe.
        what: the flag that it comes from.
        flags: values by name; `image_size` None: that of the preset.
        task: of the network.
        classes: names of the classes of its run, if it is of one; flags that give classes win.
        preset: of backbones of cells, if the flags name none.
    """
    backbone, trained = genotype, None
    if family_of(genotype).part != BACKBONE:
        named = find_backbone(flags["backbone"], task, NetworkSettings.from_flags(flags))
        if named.genotype is None:
            load_tensorflow()
            backbone, trained = genotype, Skeleton(image_size=_KERAS_IMAGE)
        else:
            backbone, trained = named.genotype, named.skeleton
    reads = task.head(task.problem((), flags)).reads
    published = trained or skeleton_of(backbone, NetworkSettings.from_flags(flags), reads, preset)
    size = flags["image_size"]
    height, width = parse_image_size(size) if size else (published.image_size,) * 2
    given, usual = task.class_names(flags), tuple(map(str, range(published.classes)))
    problem = task.problem(given or classes or usual, flags)
    shape = (height, width, flags["channels"])
    networks, found = make_networks(task, problem, genotype, what, flags, shape, preset, weights=False)
    keras = None if found is None else found.keras
    return Description(genotype, networks, Cost() if keras is None else keras.cost)
