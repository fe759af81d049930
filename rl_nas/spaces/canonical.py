"""An order of a graph's nodes that does not depend on how they were numbered."""

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
    """Orders the nodes of a labelled acyclic multigraph canonically.

    Isomorphic graphs get orders that make them equal; the order is topological. Nodes are told apart by
    colour refinement (depth, label, then again and again the colours of the neighbours); where that
    leaves ties, each of the tied nodes is tried first and the smallest result counts, so that the order
    is exact, not only likely. Twins (equal neighbours) are interchangeable and need no trying.

    Args:
        labels: of each node.
        links: each from a node to one with a higher number.

    Returns:
        The nodes in canonical order.
    """
    depth = [0] * len(labels)
    for link in sorted(links, key=lambda link: link.target):
        depth[link.target] = max(depth[link.target], 1 + depth[link.source])
    colours = _ranks([(depth[node], label) for node, label in enumerate(labels)])
    _, best = _search(colours, links)
    return sorted(range(len(labels)), key=best.__getitem__)


def _search(colours: list[int], links: Sequence[Link]) -> tuple[Encoding, list[int]]:
    """The smallest encoding of the graph that these colours allow, and the discrete colours that give it."""
    colours = _refined(colours, links)
    tied = [colour for colour, count in sorted(Counter(colours).items()) if count > 1]
    if not tied:
        return _encoding(colours, links), colours
    members = [node for node, colour in enumerate(colours) if colour == tied[0]]
    if len({_neighbours(node, links) for node in members}) == 1:
        members = members[:1]
    # Doubling makes room for a colour just below that of the tied ones.
    return min(_search([2 * c - (n == node) for n, c in enumerate(colours)], links) for node in members)


def _refined(colours: list[int], links: Sequence[Link]) -> list[int]:
    """Splits colours by those of the neighbours until nothing changes."""
    while True:
        entering: list[list[tuple[int, str]]] = [[] for _ in colours]
        leaving: list[list[tuple[int, str]]] = [[] for _ in colours]
        for source, target, label in links:
            entering[target].append((colours[source], label))
            leaving[source].append((colours[target], label))
        keys = [(c, sorted(entering[n]), sorted(leaving[n])) for n, c in enumerate(colours)]
        refined = _ranks(keys)
        if len(set(refined)) == len(set(colours)):
            return refined
        colours = refined


def _ranks(keys: Sequence[object]) -> list[int]:
    """The rank of each key among the different ones."""
    unique: list[object] = []
    for key in sorted(keys):  # type: ignore[type-var]
        if not unique or unique[-1] != key:
            unique.append(key)
    return [unique.index(key) for key in keys]


def _neighbours(node: int, links: Sequence[Link]) -> tuple[tuple[tuple[int, str], ...], tuple[tuple[int, str], ...]]:
    return (
        tuple(sorted((link.source, link.label) for link in links if link.target == node)),
        tuple(sorted((link.target, link.label) for link in links if link.source == node)),
    )


def _encoding(colours: list[int], links: Sequence[Link]) -> Encoding:
    """The graph written in its colours; labels of nodes are settled by the colours already."""
    return tuple(sorted(Counter((colours[s], colours[t], label) for s, t, label in links).items()))
