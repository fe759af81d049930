"""The micro search space of ENAS (Pham et al. 2018)."""

from rl_nas.spaces.cell_space import cell_space
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.decisions import SearchSpace

ENAS_OPERATIONS: tuple[str, ...] = ("sep_3x3", "sep_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
"""The 5 operations, in the order of the released code."""


def enas_micro(blocks: int = 5, operations: tuple[str, ...] = ENAS_OPERATIONS) -> SearchSpace[CellGenotype]:
    """Two cells of `blocks` nodes, each the sum of two operations; unused nodes are concatenated."""
    return cell_space("enas_micro", blocks, operations)
