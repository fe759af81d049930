"""Random search, the baseline of every search."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial


class RandomSearch:
    """Proposes architectures drawn uniformly, decision by decision; learns nothing."""

    def __init__(self, space: SearchSpace[Any], seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)

    def propose(self, n: int) -> list[Architecture]:
        """`n` independent samples of the space."""
        return [self._space.sample(self._rng) for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Ignores them."""

    def diagnostics(self) -> Mapping[str, float]:
        """None: there is nothing that could go wrong."""
        return {}
