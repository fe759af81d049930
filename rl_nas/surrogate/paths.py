"""The path encoding of architectures (White et al. 2021, section 3)."""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.graph import Graphed, OperationGraph

BUCKETS = 512
"""Features of paths; hashes of paths share them where there are more."""

_MOST_PATHS = 5000
"""Paths of an architecture that are looked at."""

_REMEMBERED = 2**16
"""Architectures whose encoding is remembered."""


class PathEncoding:
    """Encodes architectures by the paths from inputs to outputs that they have, as sequences of operations.

    Args:
        space: of the architectures; where its genotypes have no graphs, the encoding is that of its choices, one-hot.
    """

    def __init__(self, space: SearchSpace[Any]) -> None:
        self._space = space
        sizes = [len(decision.choices) for decision in space.decisions]
        self._first, self._choices = np.concatenate([[0], np.cumsum(sizes[:-1])]), sum(sizes)
        has_graphs = isinstance(space.decode(space.sample(np.random.default_rng(0))), Graphed)
        self._row = lru_cache(maxsize=_REMEMBERED)(self._of_paths if has_graphs else self._of_choices)

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """The encodings of architectures, int [n, decisions], as bool [n, features]."""
        return np.array([self._row(*architecture) for architecture in tokens.tolist()])

    def _of_paths(self, *architecture: int) -> np.ndarray:
        row = np.zeros(BUCKETS, bool)
        for number, path in enumerate(paths(self._space.decode(architecture).graph())):
            if number == _MOST_PATHS:
                break
            row[zlib.crc32("\n".join(path).encode()) % BUCKETS] = True
        return row

    def _of_choices(self, *architecture: int) -> np.ndarray:
        row = np.zeros(self._choices, bool)
        row[np.array(architecture) + self._first] = True
        return row


def paths(graph: OperationGraph) -> Iterator[tuple[str, ...]]:
    """Labels on each path from a node that reads nothing to one that nothing reads, the latter included."""
    ends = set(range(len(graph.labels))).difference(*graph.reads)
    left: list[tuple[int, tuple[str, ...]]] = [(end, (graph.labels[end],)) for end in sorted(ends)]
    while left:
        node, path = left.pop()
        if not graph.reads[node]:
            yield path
        left += [(source, (graph.labels[source], *path)) for source in graph.reads[node]]
