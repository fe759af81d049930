"""How many proposals a strategy makes before it learns."""

from typing import NamedTuple

BATCHES = {"bananas": 5, "controller": 5, "gp": 5, "ppo": 10}
"""Proposals between two updates, where an evaluation takes no time, of strategies that learn better from several; 1 for
the others."""


class Batching(NamedTuple):
    """How proposals and updates alternate.

    Attributes:
        size: proposals of a batch, which are learned from together.
        in_flight: batches whose children are evaluated at once. Each is proposed from the results of those so many
            earlier.
    """

    size: int
    in_flight: int

    @property
    def children(self) -> int:
        """Most children that are evaluated at once, and proposals before the first update."""
        return self.size * self.in_flight


ONE_BATCH = Batching(20, 1)
"""One batch at a time, as in Zoph et al. (2018, appendix A.2)."""

_OTHERS = Batching(1, 10)
_BATCHINGS = {
    "bananas": Batching(5, 2),  # networks are trained anew for each batch
    "ppo": Batching(10, 2),
    "reinforce": Batching(5, 4),
}


def usual_batching(strategy: str) -> Batching:
    """The batches of a strategy, by its name, unless the user gives others.

    A constant of the strategy, not of the workers, so that a search does not depend on the machine; chosen by rewards
    after equal times on a table (docs/benchmarks.md, "How busy are the workers?").
    """
    return _BATCHINGS.get(strategy, _OTHERS)
