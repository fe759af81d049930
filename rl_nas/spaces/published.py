"""Published architectures by name, as the authors' released code builds them.

The concat lists of cells are explicit: several concatenate states that a block reads, too.
"""

from rl_nas.spaces.cells import Block, Cell, CellGenotype
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.dpc import ATROUS, CONV, FEATURES, POOLING, Branch, DenseOperation, DensePredictionCell
from rl_nas.spaces.nas_fpn import ATTENTION, SUM, FeaturePyramid, Merge, MergingNeck


def _cell(concat: tuple[int, ...], *blocks: tuple[str, int, str, int]) -> Cell:
    """A cell of added pairs (operation, state, operation, state)."""
    return Cell(tuple(Block((s1, s2), (op1, op2)) for op1, s1, op2, s2 in blocks), concat)


NASNET_A = CellGenotype(
    normal=_cell(
        (1, 2, 3, 4, 5, 6),
        ("sep_5x5", 0, "sep_3x3", 1),
        ("sep_5x5", 1, "sep_3x3", 1),
        ("avg_pool_3x3", 0, "identity", 1),
        ("avg_pool_3x3", 1, "avg_pool_3x3", 1),
        ("sep_3x3", 0, "identity", 0),
    ),
    reduction=_cell(
        (3, 4, 5, 6),
        ("sep_5x5", 0, "sep_7x7", 1),
        ("max_pool_3x3", 0, "sep_7x7", 1),
        ("avg_pool_3x3", 0, "sep_5x5", 1),
        ("identity", 3, "avg_pool_3x3", 2),
        ("sep_3x3", 2, "max_pool_3x3", 0),
    ),
)
"""Zoph et al. 2018, figure 4."""

AMOEBANET_A = CellGenotype(
    normal=_cell(
        (1, 3, 4, 6),
        ("avg_pool_3x3", 0, "max_pool_3x3", 0),
        ("sep_3x3", 1, "identity", 1),
        ("identity", 0, "avg_pool_3x3", 1),
        ("sep_3x3", 0, "sep_5x5", 2),
        ("avg_pool_3x3", 5, "sep_3x3", 0),
    ),
    reduction=_cell(
        (2, 3, 4, 5, 6),
        ("sep_3x3", 1, "avg_pool_3x3", 0),
        ("max_pool_3x3", 0, "sep_7x7", 2),
        ("max_pool_3x3", 1, "max_pool_3x3", 0),
        ("sep_3x3", 4, "bottleneck_1x7_7x1", 0),
        ("avg_pool_3x3", 1, "sep_7x7", 0),
    ),
)
"""Real et al. 2019, figure 5."""

AMOEBANET_B = CellGenotype(
    normal=_cell(
        (0, 3, 4, 6),
        ("conv_1x1", 1, "max_pool_3x3", 1),
        ("identity", 1, "sep_3x3", 0),
        ("conv_1x1", 1, "sep_3x3", 0),
        ("conv_1x1", 2, "identity", 2),
        ("avg_pool_3x3", 1, "conv_1x1", 5),
    ),
    # The third block's separable convolution is named dilated by its authors; their code does not dilate it.
    reduction=_cell(
        (5, 6),
        ("max_pool_2x2", 0, "max_pool_3x3", 0),
        ("identity", 2, "bottleneck_3x3", 1),
        ("sep_5x5", 2, "max_pool_3x3", 2),
        ("identity", 3, "sep_3x3", 1),
        ("avg_pool_3x3", 4, "conv_1x1", 3),
    ),
)
"""The authors' released code."""

AMOEBANET_C = CellGenotype(
    normal=_cell(
        (1, 2, 4, 5, 6),
        ("avg_pool_3x3", 0, "sep_3x3", 0),
        ("identity", 0, "sep_3x3", 0),
        ("avg_pool_3x3", 2, "sep_3x3", 1),
        ("identity", 0, "sep_3x3", 1),
        ("avg_pool_3x3", 3, "sep_3x3", 0),
    ),
    reduction=_cell(
        (0, 2, 3, 4, 5, 6),
        ("max_pool_3x3", 0, "max_pool_3x3", 0),
        ("sep_7x7", 2, "sep_3x3", 0),
        ("sep_7x7", 0, "max_pool_3x3", 1),
        ("sep_5x5", 4, "sep_5x5", 4),
        ("max_pool_3x3", 1, "sep_3x3", 1),
    ),
)
"""The authors' released code."""

AMOEBANET_D = CellGenotype(
    normal=_cell(
        (0, 3, 4, 6),
        ("conv_1x1", 1, "max_pool_3x3", 1),
        ("identity", 1, "bottleneck_1x7_7x1", 0),
        ("conv_1x1", 0, "bottleneck_1x7_7x1", 0),
        ("max_pool_3x3", 2, "identity", 2),
        ("avg_pool_3x3", 1, "conv_1x1", 5),
    ),
    reduction=_cell(
        (4, 5, 6),
        ("max_pool_2x2", 0, "max_pool_3x3", 0),
        ("identity", 2, "bottleneck_3x3", 1),
        ("bottleneck_1x7_7x1", 2, "max_pool_3x3", 2),
        ("identity", 3, "max_pool_2x2", 1),
        ("avg_pool_3x3", 2, "conv_1x1", 3),
    ),
)
"""The authors' released code."""

PNASNET_5 = CellGenotype(
    normal=_cell(
        (2, 3, 4, 5, 6),
        ("sep_5x5", 1, "max_pool_3x3", 1),
        ("sep_7x7", 0, "max_pool_3x3", 0),
        ("sep_5x5", 0, "sep_3x3", 0),
        ("sep_3x3", 4, "max_pool_3x3", 0),
        ("sep_3x3", 1, "identity", 0),
    ),
    reduction=None,
)
"""Liu et al. 2018 (Progressive Neural Architecture Search): one cell, strided where the image is halved."""

ENAS_MICRO = CellGenotype(
    # The released code counts h[i-1] as state 0 and h[i] as state 1: the other way round.
    normal=_cell(
        (2, 3, 4, 5, 6),
        ("avg_pool_3x3", 1, "sep_3x3", 1),
        ("identity", 1, "sep_5x5", 1),
        ("identity", 1, "sep_5x5", 0),
        ("sep_3x3", 0, "sep_5x5", 1),
        ("avg_pool_3x3", 1, "sep_5x5", 0),
    ),
    reduction=_cell(
        (2, 4, 5, 6),
        ("sep_3x3", 0, "sep_3x3", 0),
        ("max_pool_3x3", 1, "avg_pool_3x3", 1),
        ("sep_5x5", 0, "sep_5x5", 3),
        ("sep_3x3", 0, "identity", 1),
        ("max_pool_3x3", 1, "sep_5x5", 0),
    ),
)
"""Pham et al. 2018, the cells of the released code's final training."""

DPC_TOP1 = DensePredictionCell(
    (
        Branch(FEATURES, DenseOperation(ATROUS, 1, 6)),
        Branch(0, DenseOperation(ATROUS, 18, 15)),
        Branch(1, DenseOperation(ATROUS, 6, 3)),
        Branch(0, DenseOperation(ATROUS, 1, 1)),
        Branch(0, DenseOperation(ATROUS, 6, 21)),
    )
)
"""Chen et al. 2018 (Searching for Efficient Multi-Scale Architectures), the best cell, as released."""

ASPP = DensePredictionCell(
    (
        Branch(FEATURES, DenseOperation(CONV)),
        *(Branch(FEATURES, DenseOperation(ATROUS, rate, rate)) for rate in (6, 12, 18)),
        Branch(FEATURES, DenseOperation(POOLING)),
    )
)
"""Atrous spatial pyramid pooling of DeepLabv3 (Chen et al. 2017), with DeepLabv3+'s separable convolutions."""

NAS_FPN = MergingNeck(
    (
        Merge((1, 3), 4, ATTENTION),
        Merge((1, 5), 4, SUM),
        Merge((0, 6), 3, SUM),
        Merge((6, 7), 4, SUM),
        Merge((7, 8), 5, ATTENTION),
        Merge((6, 9), 7, ATTENTION),
        Merge((9, 10), 6, ATTENTION),
    )
)
"""Ghiasi et al. 2019, the neck of the released code."""

PUBLISHED_CELLS: dict[str, CellGenotype] = {
    "NASNet-A": NASNET_A,
    "AmoebaNet-A": AMOEBANET_A,
    "AmoebaNet-B": AMOEBANET_B,
    "AmoebaNet-C": AMOEBANET_C,
    "AmoebaNet-D": AMOEBANET_D,
    "PNASNet-5": PNASNET_5,
    "ENAS-micro": ENAS_MICRO,
}

PUBLISHED: dict[str, Genotype] = {
    **PUBLISHED_CELLS,
    "DPC-top1": DPC_TOP1,
    "ASPP": ASPP,
    "NAS-FPN": NAS_FPN,
    "FPN": FeaturePyramid(),
}
