"""A canonical order of a graph's nodes, independent of their numbering."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Link(NamedTuple):
    """A directed edge with a label."""

    source: int
    target: int
    label: str


Encoding = tuple[tuple[tuple[int, int, str], int], ...]


def canonical_order(labels: Sequence[str], links: Sequence[Link]) -> list[int]:
    """Orders the nodes of a labeled acyclic multigraph canonically.

    Isomorphic graphs get orders that make them equal; the order is topological. Color refinement (depth,
    label, then repeatedly the colors of the neighbors) distinguishes nodes; if ties are left, each of the
    tied nodes is tried first and the smallest result counts, so that the order is exact, not only likely.
    Twins (equal neighbors) are interchangeable and need no trying.

    Args:
        labels: of each node.
        links: each from a node to one with a higher number.

    Returns:
        The nodes in canonical order.
    """
    depth = [0] * len(labels)
    for link in sorted(links, key=lambda link: link.target):
        depth[link.target] = max(depth[link.target], 1 + depth[link.source])
    colors = _ranks([(depth[node], label) for node, label in enumerate(labels)])
    _, best = _search(colors, links)
    return sorted(range(len(labels)), key=best.__getitem__)


def _search(colors: list[int], links: Sequence[Link]) -> tuple[Encoding, list[int]]:
    """The smallest encoding of the graph that refines these colors, and its discrete colors."""
    colors = _refined(colors, links)
    tied = [color for color, count in sorted(Counter(colors).items()) if count > 1]
    if not tied:
        return _encoding(colors, links), colors
    members = [node for node, color in enumerate(colors) if color == tied[0]]
    if len({_neighbors(node, links) for node in members}) == 1:
        members = members[:1]
    # Doubling makes room for a color just below that of the tied ones.
    return min(_search([2 * c - (n == node) for n, c in enumerate(colors)], links) for node in members)


def _refined(colors: list[int], links: Sequence[Link]) -> list[int]:
    """Splits colors by those of the neighbors until nothing changes."""
    while True:
        entering: list[list[tuple[int, str]]] = [[] for _ in colors]
        leaving: list[list[tuple[int, str]]] = [[] for _ in colors]
        for source, target, label in links:
            entering[target].append((colors[source], label))
            leaving[source].append((colors[target], label))
        keys = [(c, sorted(entering[n]), sorted(leaving[n])) for n, c in enumerate(colors)]
        refined = _ranks(keys)
        if len(set(refined)) == len(set(colors)):
            return refined
        colors = refined


def _ranks(keys: Sequence[object]) -> list[int]:
    """The rank of each key among the different ones."""
    unique: list[object] = []
    for key in sorted(keys):  # type: ignore[type-var]
        if not unique or unique[-1] != key:
            unique.append(key)
    return [unique.index(key) for key in keys]


def _neighbors(node: int, links: Sequence[Link]) -> tuple[tuple[tuple[int, str], ...], tuple[tuple[int, str], ...]]:
    return (
        tuple(sorted((link.source, link.label) for link in links if link.target == node)),
        tuple(sorted((link.target, link.label) for link in links if link.source == node)),
    )


def _encoding(colors: list[int], links: Sequence[Link]) -> Encoding:
    """The encoding of the graph by its colors, which determine the labels of nodes."""
    return tuple(sorted(Counter((colors[s], colors[t], label) for s, t, label in links).items()))
