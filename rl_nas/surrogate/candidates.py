"""Candidates to evaluate next: mutations of architectures, or a whole small space."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rl_nas.spaces.decisions import FREE, SearchSpace

_MUTATION = 0.5
"""Parameter of the geometric number of decisions that a mutation draws again. Mostly it is one or two: far from all
trials the best candidate is mostly an error of the model."""

MOST_ENUMERATED = 2**15
"""Architectures of a space that are all candidates."""


class Mutations:
    """Draws mutations of architectures.

    Args:
        space: of the architectures.
    """

    def __init__(self, space: SearchSpace[Any]) -> None:
        self._decisions = space.decisions
        self._sizes = [len(decision.choices) for decision in space.decisions]
        self._space = space

    def draw(self, rng: np.random.Generator, parents: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """The parents with free decisions drawn again uniformly, int32 [n, decisions].

        As in `SearchSpace.mutate`, those that become active are drawn by their weights.

        Args:
            rng: generator.
            parents: int [n, decisions].
            fixed: the choices that are fixed in each, `FREE` where they are not, same shape.
        """
        count, numbers = len(parents), range(len(self._sizes))
        again = rng.random(parents.shape).argsort(axis=1) < rng.geometric(_MUTATION, [count, 1])
        # Inactive decisions are drawn too, in case a mutation makes them active.
        active = np.stack([self._space.active(number, parents) for number in numbers], axis=1)
        tokens = np.where(again | ~active, rng.integers(self._sizes, size=parents.shape), parents)
        for number, decision in enumerate(self._decisions):
            if decision.weights and decision.when:
                drawn_by_weight = rng.choice(len(decision.choices), size=count, p=decision.probabilities)
                tokens[:, number] = np.where(active[:, number], tokens[:, number], drawn_by_weight)
        tokens = np.where(fixed == FREE, tokens, fixed)
        for number in numbers:
            tokens[:, number] *= self._space.active(number, tokens)
        return tokens.astype(np.int32)


@lru_cache(maxsize=8)
def enumerated(space: SearchSpace[Any]) -> np.ndarray | None:
    """All valid architectures of a space, int32 [n, decisions]; None if it has too many."""
    sizes = [len(decision.choices) for decision in space.decisions]
    if math.prod(sizes) > MOST_ENUMERATED:
        return None
    every = np.indices(sizes).reshape(len(sizes), -1).T
    valid = [_belongs(space, architecture) for architecture in every.tolist()]
    return np.asarray(every[valid], np.int32)


def _belongs(space: SearchSpace[Any], architecture: Sequence[int]) -> bool:
    inactive = (i for i, choice in enumerate(architecture) if choice and not space.is_active(i, architecture))
    return next(inactive, None) is None and space.is_valid(space.decode(architecture))
