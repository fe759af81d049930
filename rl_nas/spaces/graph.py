"""What a genotype computes, as a graph of its operations; for models that compare architectures."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class OperationGraph(NamedTuple):
    """Operations without dead ones, and which result each reads.

    Attributes:
        labels: of each node: an operation, an input, or an output.
        reads: of each node, the numbers of the earlier nodes whose results it reads; one that reads the sum of several
            reads each of them.
    """

    labels: tuple[str, ...]
    reads: tuple[tuple[int, ...], ...]


@runtime_checkable
class Graphed(Protocol):
    """A genotype that can be seen as a graph."""

    def graph(self) -> OperationGraph:
        """Its operations, equal up to their order for genotypes of the same network."""


def pruned(labels: Sequence[str], reads: Sequence[Iterable[int]], inputs: int) -> OperationGraph:
    """The graph without nodes on no path from an input to the output.

    Args:
        labels: of the nodes: the inputs, then each behind what it reads, the output last.
        reads: of each node.
        inputs: number of the inputs; they are kept if they are read.
    """
    fed = [number < inputs for number in range(len(labels))]
    for number in range(inputs, len(labels)):
        fed[number] = any(fed[source] for source in reads[number])
    needed = {len(labels) - 1}
    for number in reversed(range(len(labels))):
        if number in needed:
            needed.update(source for source in reads[number] if fed[source])
    kept = [number for number in sorted(needed) if fed[number] or number == len(labels) - 1]
    place = {number: index for index, number in enumerate(kept)}
    return OperationGraph(
        tuple(labels[number] for number in kept),
        tuple(tuple(place[source] for source in reads[number] if source in place) for number in kept),
    )


def joined(graphs: Iterable[OperationGraph]) -> OperationGraph:
    """Several graphs side by side."""
    labels: list[str] = []
    reads: list[tuple[int, ...]] = []
    for graph in graphs:
        first = len(labels)
        labels += graph.labels
        reads += [tuple(first + source for source in sources) for sources in graph.reads]
    return OperationGraph(tuple(labels), tuple(reads))


def edge_graph(edges: Sequence[tuple[int, int]], operations: Sequence[str], zeros: Sequence[str]) -> OperationGraph:
    """The graph of a cell with an operation on each of its edges, whose nodes are sums.

    Args:
        edges: source and target node of each; node 0 is the cell's input, the node of the highest number its output.
        operations: of each edge.
        zeros: operations that cut an edge.
    """
    order = sorted(range(len(edges)), key=lambda edge: edges[edge])
    entering: dict[int, list[int]] = {0: [0]}
    labels = ["input"]
    reads: list[tuple[int, ...]] = [()]
    for edge in order:
        source, target = edges[edge]
        if operations[edge] in zeros:
            continue
        entering.setdefault(target, []).append(len(labels))
        labels.append(operations[edge])
        reads.append(tuple(entering.get(source, ())))
    last = max(target for _, target in edges)
    return pruned([*labels, "output"], [*reads, tuple(entering.get(last, ()))], inputs=1)
