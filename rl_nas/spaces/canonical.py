"""A canonical order of a graph's nodes, independent of their numbering."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple


class Link(NamedTuple):
    """A directed edge with a label."""

    source: int
    target: int
    label: str


Encoding = tuple[tuple[tuple[int, int, str], int], ...]


_MOST_WORK = 1_000_000
"""Most nodes and links that a search for an order looks at, again and again: about a second."""


def canonical_order(labels: Sequence[str], links: Sequence[Link]) -> list[int]:
    """Orders the nodes of a labeled acyclic multigraph canonically.

    Isomorphic graphs get orders that make them equal; the order is topological. Color refinement (depth,
    label, then repeatedly the colors of the neighbors) distinguishes nodes; if ties are left, each of the
    tied nodes is tried first and the smallest result counts, so that the order is exact, not only likely.
    Of nodes that an automorphism exchanges, one stands for all (McKay and Piperno 2014): they need no trying.

    Where that would take too long, as in graphs of hundreds of nodes that are made to be hard, it tries no further
    nodes: the order is still a topological one and always the same for the same graph, but isomorphic graphs may get
    others.

    Args:
        labels: of each node.
        links: each from a node to one with a higher number.

    Returns:
        The nodes in canonical order.
    """
    depth = [0] * len(labels)
    for link in sorted(links, key=lambda link: link.target):
        depth[link.target] = max(depth[link.target], 1 + depth[link.source])
    search = _Search(links, _MOST_WORK)
    _, best = search.smallest(search.refined(_ranks([(depth[node], label) for node, label in enumerate(labels)])))
    return sorted(range(len(labels)), key=best.__getitem__)


class _Search:
    """The search for the smallest encoding of a graph, within a budget of work."""

    def __init__(self, links: Sequence[Link], work: int) -> None:
        self._links, self._work = links, work

    def smallest(self, colors: list[int]) -> tuple[Encoding, list[int]]:
        """The smallest encoding of the graph that refines these refined colors, and its discrete colors."""
        while tied := _tied(colors):
            different = self._different(colors, tied)
            if len(different) > 1:
                return self._smallest_of(different)
            colors = different[0]
        return _encoding(colors, self._links), colors

    def _smallest_of(self, different: list[list[int]]) -> tuple[Encoding, list[int]]:
        found = self.smallest(different[0])
        for colors in different[1:]:
            if self._work <= 0:
                break
            found = min(found, self.smallest(colors))
        return found

    def _different(self, colors: list[int], tied: list[int]) -> list[list[int]]:
        """The refined colors with one of the tied nodes before the others; one for all that are known to be alike."""
        if self._work <= 0 or len({_neighbors(node, self._links) for node in tied}) == 1:
            return [self._with_first(tied[0], colors)]
        different: dict[Encoding, list[int]] = {}
        for node in tied:
            chosen = leaf = self._with_first(node, colors)
            while rest := _tied(leaf):
                leaf = self._with_first(rest[0], leaf)
            # Two equal encodings are an automorphism that exchanges their nodes: what follows is alike too.
            different.setdefault(_encoding(leaf, self._links), chosen)
            if self._work <= 0:
                break
        return list(different.values())

    def _with_first(self, node: int, colors: list[int]) -> list[int]:
        # Doubling makes room for a color just below that of the tied ones.
        return self.refined([2 * c - (n == node) for n, c in enumerate(colors)])

    def refined(self, colors: list[int]) -> list[int]:
        """Splits colors by those of the neighbors until nothing changes."""
        while True:
            self._work -= len(colors) + len(self._links)
            entering: list[list[tuple[int, str]]] = [[] for _ in colors]
            leaving: list[list[tuple[int, str]]] = [[] for _ in colors]
            for source, target, label in self._links:
                entering[target].append((colors[source], label))
                leaving[source].append((colors[target], label))
            keys = [(c, tuple(sorted(entering[n])), tuple(sorted(leaving[n]))) for n, c in enumerate(colors)]
            refined = _ranks(keys)
            if len(set(refined)) == len(set(colors)):
                return refined
            colors = refined


def _tied(colors: list[int]) -> list[int]:
    """The nodes of the first color that several have; empty if there is none."""
    counts = Counter(colors)
    first = min((color for color, count in counts.items() if count > 1), default=None)
    return [node for node, color in enumerate(colors) if color == first]


def _ranks(keys: Sequence[Any]) -> list[int]:
    """The rank of each key among the different ones."""
    rank = {key: number for number, key in enumerate(sorted(set(keys)))}
    return [rank[key] for key in keys]


def _neighbors(node: int, links: Sequence[Link]) -> tuple[tuple[tuple[int, str], ...], tuple[tuple[int, str], ...]]:
    return (
        tuple(sorted((link.source, link.label) for link in links if link.target == node)),
        tuple(sorted((link.target, link.label) for link in links if link.source == node)),
    )


def _encoding(colors: list[int], links: Sequence[Link]) -> Encoding:
    """The encoding of the graph by its colors, which determine the labels of nodes."""
    return tuple(sorted(Counter((colors[s], colors[t], label) for s, t, label in links).items()))
