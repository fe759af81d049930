"""The families of genotypes by their names in JSON."""

from typing import TypeVar

from rl_nas.errors import UsageError
from rl_nas.networks.families.cells import CELLS
from rl_nas.networks.families.chain import CHAIN
from rl_nas.networks.families.dpc import DPC
from rl_nas.networks.families.family import BackboneFamily, Family, HeadFamily, NeckFamily
from rl_nas.networks.families.fpn import FPN
from rl_nas.networks.families.nas_fpn import NAS_FPN
from rl_nas.networks.families.nasbench101 import NASBENCH101
from rl_nas.networks.families.nasbench201 import NASBENCH201
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype

SomeFamily = TypeVar("SomeFamily", bound=Family)

FAMILIES: dict[str, Family] = {
    family.genotype.KIND: family for family in (CELLS, CHAIN, NASBENCH101, NASBENCH201, DPC, NAS_FPN, FPN)
}

BACKBONES: dict[str, BackboneFamily] = {k: f for k, f in FAMILIES.items() if isinstance(f, BackboneFamily)}

PRESETS: dict[str, Skeleton] = {
    name: skeleton for family in BACKBONES.values() for name, skeleton in family.presets.items()
}


def family_of(genotype: Genotype) -> Family:
    """The family of a genotype.

    Raises:
        UsageError: its kind is unknown.
    """
    kind = getattr(genotype, "KIND", type(genotype).__name__)
    if kind not in FAMILIES:
        raise UsageError(f"a genotype of kind {kind!r} has no network; expected one of {', '.join(FAMILIES)}")
    return FAMILIES[kind]


def backbone_family(genotype: Genotype) -> BackboneFamily:
    """The family of a genotype that describes a backbone.

    Raises:
        UsageError: its kind is unknown, or of another part of a network.
    """
    return _of_part(genotype, BackboneFamily)


def head_family(genotype: Genotype) -> HeadFamily:
    """The family of a genotype that describes a head; errors as of `backbone_family`."""
    return _of_part(genotype, HeadFamily)


def neck_family(genotype: Genotype) -> NeckFamily:
    """The family of a genotype that describes a neck; errors as of `backbone_family`."""
    return _of_part(genotype, NeckFamily)


def _of_part(genotype: Genotype, expected: type[SomeFamily]) -> SomeFamily:
    family = family_of(genotype)
    if not isinstance(family, expected):
        kinds = ", ".join(kind for kind, one in FAMILIES.items() if isinstance(one, expected))
        raise UsageError(
            f"a genotype of kind {genotype.KIND!r} describes a {family.part}; expected a {expected.part}, of kind"
            f" {kinds}"
        )
    return family
