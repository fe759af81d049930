"""What the model sees of an architecture: its choices, and the subtrees of its graph of operations."""

import hashlib
import math
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np

from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.graph import Graphed, OperationGraph

BUCKETS = (64, 256)
"""Counters of subtrees of depth 0, operations alone, and of depth 1, with what they read; hashes share counters."""

_MOST_CACHED = 2**16
"""Architectures of a small space whose features are computed once."""

_REMEMBERED = 20_000
"""Architectures of a larger one whose features are remembered: what was drawn is looked at more than once."""

_MOST_COUNTED = np.iinfo(np.uint8).max
_MASK = 2**64 - 1


class Counts(NamedTuple):
    """Counts of subtrees of one depth.

    Attributes:
        values: float32 [n, counters].
        squares: sums of their squares, float32 [n].
    """

    values: np.ndarray
    squares: np.ndarray

    def take(self, places: Any) -> Self:
        """Those of some architectures."""
        return type(self)(self.values[places], self.squares[places])


class Points(NamedTuple):
    """Architectures as the model sees them.

    Attributes:
        choices: one-hot vectors side by side, float32 [n, choices].
        subtrees: their subtrees of each depth; none in a space without graphs.
    """

    choices: np.ndarray
    subtrees: tuple[Counts, ...]

    def __len__(self) -> int:
        return len(self.choices)

    def joined(self, others: Self) -> Self:
        """These, and then others."""
        pairs = zip(self.subtrees, others.subtrees, strict=True)
        subtrees = (Counts(*map(np.concatenate, zip(one, other, strict=True))) for one, other in pairs)
        return type(self)(np.concatenate([self.choices, others.choices]), tuple(subtrees))

    def take(self, places: Any) -> Self:
        """Some of them."""
        return type(self)(self.choices[places], tuple(counts.take(places) for counts in self.subtrees))


class Features:
    """Computes the points of a space's architectures.

    Subtrees are those of Weisfeiler and Lehman (Shervashidze et al. 2011), directed, as Ru et al. 2021 use them to
    compare cells.

    Args:
        space: of the architectures; genotypes that are `Graphed` have subtrees.
    """

    def __init__(self, space: SearchSpace[Any]) -> None:
        self._space = space
        self.sizes = [len(decision.choices) for decision in space.decisions]
        sample = space.decode(space.sample(np.random.default_rng(0)))
        self.has_graphs = isinstance(sample, Graphed)
        self._first = np.concatenate([[0], np.cumsum(self.sizes[:-1])])
        cached = math.prod(self.sizes)
        self._cached = cached <= _MOST_CACHED and self.has_graphs
        if self._cached:
            self._rows = np.zeros([cached, sum(BUCKETS)], np.uint8)
            self._known = np.zeros(cached, bool)
        self._row = lru_cache(maxsize=0 if self._cached else _REMEMBERED)(self._counted)

    def points(self, tokens: np.ndarray) -> Points:
        """Points of architectures, int [n, decisions]."""
        choices = np.zeros([len(tokens), sum(self.sizes)], np.float32)
        np.put_along_axis(choices, tokens + self._first, 1, axis=1)
        if not self.has_graphs:
            return Points(choices, ())
        if self._cached:
            rows = self._cached_rows(tokens)
        else:
            rows = np.array([self._row(*row) for row in tokens.tolist()], np.uint8).reshape(len(tokens), sum(BUCKETS))
        of_depths = np.split(rows.astype(np.float32), np.cumsum(BUCKETS)[:-1], axis=1)
        return Points(choices, tuple(Counts(values, np.einsum("nc,nc->n", values, values)) for values in of_depths))

    def _cached_rows(self, tokens: np.ndarray) -> np.ndarray:
        numbers = np.ravel_multi_index(tuple(tokens.T), self.sizes)
        for place in np.flatnonzero(~self._known[numbers]):
            self._rows[numbers[place]] = self._row(*tokens[place].tolist())
        self._known[numbers] = True
        return np.asarray(self._rows[numbers])

    def _counted(self, *architecture: int) -> np.ndarray:
        return subtree_counts(self._space.decode(architecture).graph())


@lru_cache(maxsize=8)
def features_of(space: SearchSpace[Any]) -> Features:
    """The features of a space, shared by all that look at it."""
    return Features(space)


def subtree_counts(graph: OperationGraph) -> np.ndarray:
    """How often each subtree occurs, uint8 [counters of depth 0, then of depth 1]."""
    hashes = [_hash(label) for label in graph.labels]
    counts = [0] * sum(BUCKETS)
    for own, reads in zip(hashes, graph.reads, strict=True):
        read = sum(hashes[source] * hashes[source] for source in reads)  # sums of squares: those of hashes may be equal
        for place in (own % BUCKETS[0], BUCKETS[0] + _mixed(own * 3 + read) % BUCKETS[1]):
            counts[place] = min(counts[place] + 1, _MOST_COUNTED)
    return np.array(counts, np.uint8)


@lru_cache(maxsize=10_000)
def _hash(label: str) -> int:
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "little")


def _mixed(number: int) -> int:
    """The finalizer of SplitMix64 (Steele et al. 2014): every bit of the number changes every bit of the result."""
    number &= _MASK
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return number ^ (number >> 31)
