"""Published cells by name."""

from rl_nas.spaces.genotype import Block, Cell, CellGenotype

NASNET_A = CellGenotype(
    normal=Cell(
        blocks=(
            Block((0, 1), ("sep_5x5", "sep_3x3")),
            Block((1, 1), ("sep_5x5", "sep_3x3")),
            Block((0, 1), ("avg_pool_3x3", "identity")),
            Block((1, 1), ("avg_pool_3x3", "avg_pool_3x3")),
            Block((0, 0), ("sep_3x3", "identity")),
        ),
        concat=(1, 2, 3, 4, 5, 6),
    ),
    reduction=Cell(
        blocks=(
            Block((0, 1), ("sep_5x5", "sep_7x7")),
            Block((0, 1), ("max_pool_3x3", "sep_7x7")),
            Block((0, 1), ("avg_pool_3x3", "sep_5x5")),
            Block((3, 2), ("identity", "avg_pool_3x3")),
            Block((2, 0), ("sep_3x3", "max_pool_3x3")),
        ),
        concat=(3, 4, 5, 6),
    ),
)
"""Zoph et al. 2018, figure 4, as the authors' released code builds it: the normal cell also
concatenates state 1, although a block reads it."""

PUBLISHED: dict[str, CellGenotype] = {"NASNet-A": NASNET_A}
