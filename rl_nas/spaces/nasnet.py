"""The NASNet search space (Zoph et al. 2018, section 3)."""

from rl_nas.spaces.cell_space import cell_space
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.operations import COMBINERS

NASNET_OPERATIONS: tuple[str, ...] = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_3x3",
    "sep_5x5",
    "sep_7x7",
)
"""The 13 operations, in the paper's order."""


def nasnet(blocks: int = 5, operations: tuple[str, ...] = NASNET_OPERATIONS) -> SearchSpace[CellGenotype]:
    """Two cells of `blocks` blocks; five decisions a block: two states, two operations, a combiner.

    At the paper's B = 5 that is 50 softmax predictions over 2,286,906,949,584,691,200 cells of each kind.
    """
    return cell_space("nasnet", blocks, operations, COMBINERS)
