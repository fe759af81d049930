"""Random search, the baseline of every search."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial


class RandomSearch:
    """Proposes architectures drawn decision by decision, as `SearchSpace.sample` does; learns nothing."""

    def __init__(self, space: SearchSpace[Any], seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._proposed = 0

    def propose(self, n: int) -> list[Architecture]:
        """`n` independent samples of the space."""
        trials = range(self._proposed, self._proposed + n)
        self._proposed += n
        return [self._space.sample(self._rng, self._space.fixed(trial)) for trial in trials]

    def sample(self, n: int) -> list[Architecture]:
        """See `Sampling`."""
        return [self._space.sample(self._rng, self._space.fixed(self._proposed)) for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Ignores the trials."""

    def state(self) -> State:
        """See `Resumable`."""
        return {"rng": self._rng.bit_generator.state, "proposed": self._proposed}

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self._rng.bit_generator.state, self._proposed = state["rng"], state["proposed"]

    def diagnostics(self) -> Mapping[str, float]:
        """No figures: nothing could go wrong."""
        return {}
