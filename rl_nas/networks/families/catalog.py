"""The families of genotypes by their names in JSON."""

from rl_nas.errors import UsageError
from rl_nas.networks.families.cells import CELLS
from rl_nas.networks.families.chain import CHAIN
from rl_nas.networks.families.dpc import DPC
from rl_nas.networks.families.family import BackboneFamily, Family, HeadFamily
from rl_nas.networks.families.nasbench101 import NASBENCH101
from rl_nas.networks.families.nasbench201 import NASBENCH201
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype

FAMILIES: dict[str, Family] = {family.genotype.KIND: family for family in (CELLS, CHAIN, NASBENCH101, NASBENCH201, DPC)}

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
    family = family_of(genotype)
    if not isinstance(family, BackboneFamily):
        raise UsageError(
            f"a genotype of kind {genotype.KIND!r} describes a {family.part}; expected a backbone, of kind"
            f" {', '.join(BACKBONES)}"
        )
    return family


def head_family(genotype: Genotype) -> HeadFamily:
    """The family of a genotype that describes a head.

    Raises:
        UsageError: its kind is unknown, or of another part of a network.
    """
    family = family_of(genotype)
    if not isinstance(family, HeadFamily):
        kinds = ", ".join(kind for kind, one in FAMILIES.items() if isinstance(one, HeadFamily))
        raise UsageError(
            f"a genotype of kind {genotype.KIND!r} describes a {family.part}; expected a head, of kind {kinds}"
        )
    return family
