"""What a search has proposed: networks that it does not propose again, and those whose trials are still to come."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture, SearchSpace


class Proposed:
    """Networks that were met, whichever of their architectures, and proposals without a trial.

    Args:
        space: of the architectures.
    """

    def __init__(self, space: SearchSpace[Any]) -> None:
        self._space = space
        self._mixer = np.random.default_rng(0).integers(2**63, size=len(space.decisions), dtype=np.int64)
        self._hashes: set[int] = set()
        self._networks: set[str] = set()
        self._waiting: dict[Architecture, None] = {}

    def meet(self, tokens: np.ndarray) -> bool:
        """Whether an architecture, int [decisions], is a valid network that was not met; marks it as met."""
        mixed = int(tokens @ self._mixer)
        if mixed in self._hashes:
            return False
        self._hashes.add(mixed)
        genotype = self._space.decode(tuple(map(int, tokens)))
        if not self._space.may_propose(genotype):
            return False
        network = genotype.canonical_key()
        fresh = network not in self._networks
        self._networks.add(network)
        return fresh

    def unmet(self, pool: np.ndarray) -> np.ndarray:
        """The architectures, int [n, decisions], that were not met themselves; their networks may have been."""
        return pool[~np.isin(pool @ self._mixer, list(self._hashes))]

    def wait_for(self, architectures: Iterable[Architecture]) -> None:
        """Adds proposals."""
        self._waiting |= dict.fromkeys(architectures)

    def forget(self, architectures: Iterable[Sequence[int]]) -> None:
        """Takes back proposals: their trials are there, or will not come."""
        for architecture in architectures:
            self._waiting.pop(tuple(architecture), None)

    def waiting(self) -> np.ndarray:
        """Proposals whose trials are still to come, int32 [n, decisions]."""
        return np.array(list(self._waiting), np.int32).reshape(-1, len(self._space.decisions))

    def state(self) -> State:
        """All of it."""
        return {
            "hashes": np.array(sorted(self._hashes), np.int64),
            "networks": sorted(self._networks),
            "waiting": list(self._waiting),
        }

    def restore(self, state: State) -> None:
        """Restores a state."""
        self._hashes, self._networks = set(state["hashes"].tolist()), set(state["networks"])
        self._waiting = dict.fromkeys(map(tuple, state["waiting"]))
