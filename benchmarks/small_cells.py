"""A space small enough to train all its networks, and the strategy that does: for tables of `rl_nas bench`.

With this folder on PYTHONPATH, `--space=small_cells:three_operations` and `--strategy=small_cells:Everything`.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.trial import Trial

_full = nasbench201()

three_operations = SearchSpace(
    "three_operations",
    tuple(Decision(one.name, ("none", "skip_connect", "nor_conv_3x3")) for one in _full.decisions),
    _full.decoder,
    _full.encoder,
)
"""NAS-Bench-201's cells with three of its five operations: 729, of which 127 are different networks."""


class Everything:
    """Proposes every network of a space once, in the space's order, and then the same again.

    Of equal networks, by their canonical keys, it proposes the first. The seed is not used.
    """

    def __init__(self, space: SearchSpace[Any], seed: int) -> None:
        first: dict[str, Architecture] = {}
        for one in itertools.product(*(range(len(decision.choices)) for decision in space.decisions)):
            first.setdefault(space.canonical_key(one), one)
        self._left = itertools.cycle(first.values())

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` networks."""
        return [next(self._left) for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Ignores the trials."""

    def diagnostics(self) -> Mapping[str, float]:
        """No figures: nothing could go wrong."""
        return {}
