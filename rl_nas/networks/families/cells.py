"""The family of cells: NASNet's, AmoebaNet's, PNASNet's and ENAS's networks."""

from dataclasses import replace

from rl_nas.networks.families.cell_network import plan_cell_network
from rl_nas.networks.families.cell_notations import from_notation
from rl_nas.networks.families.cell_text import cells_text
from rl_nas.networks.families.family import NORM, SIZES, BackboneFamily
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.cells import CellGenotype

_CIFAR = Skeleton(cells=2, filters=32, stem_multiplier=3.0, l2=5e-4)
_IMAGENET = Skeleton(stem="imagenet", dropout=0.5, auxiliary=True, bn_momentum=0.9997, bn_epsilon=1e-3, classes=1000)


def _output_width(genotype: CellGenotype) -> int:
    """Channels of a normal cell's output, in filters of the cell."""
    cell = genotype.normal
    return sum(2 if cell.combine_of(state) == "concat" else 1 for state in cell.concat)


CELLS = BackboneFamily(
    genotype=CellGenotype,
    # Zoph et al. 2018: the search's proxy (section 3), and the networks of their released code.
    presets={
        "proxy": _CIFAR,
        "cifar": replace(_CIFAR, cells=6, drop_path=0.6, auxiliary=True),
        # Liu et al. 2019: 20 cells of 36 filters; drop path there is one probability for all cells.
        "darts": replace(_CIFAR, cells=6, filters=36, l2=3e-4, drop_path=0.8, auxiliary=True, squeeze_first=True),
        "imagenet_mobile": replace(_IMAGENET, cells=4, filters=44, l2=4e-5, image_size=224),
        "imagenet_large": replace(
            _IMAGENET,
            cells=6,
            filters=168,
            stem_multiplier=3.0,
            skip_reduction_input=True,
            drop_path=0.7,
            l2=5e-5,
            image_size=331,
        ),
    },
    reads=NORM
    | SIZES
    | {"size", "stem_multiplier", "output_conv", "skip_reduction_input", "drop_path", "zero_padded_pools"},
    plan=plan_cell_network,
    text=cells_text,
    from_text=from_notation,
    drawing=lambda genotype: {f"{kind.capitalize()} cell": cell for kind, cell in genotype.cells().items()},
    output_width=_output_width,
)
