"""Genotypes draw themselves in notebooks."""

from rl_nas.networks.families.catalog import FAMILIES
from rl_nas.spaces.decisions import Genotype


def draw_in_notebooks() -> None:
    """Gives genotypes of every kind `_repr_svg_`, which notebooks call; descriptions know nothing of pictures."""
    for family in FAMILIES.values():
        family.genotype._repr_svg_ = _svg


def _svg(genotype: Genotype) -> str:
    from rl_nas.report.picture import genotype_svg  # imports matplotlib

    return genotype_svg(genotype)
