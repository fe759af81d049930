"""Conversion to ONNX ends, whatever the optimizers of tf2onnx do."""

from collections import Counter

import pytest

tf2onnx = pytest.importorskip("tf2onnx")

from rl_nas.child.export.onnx import ROUNDS, Settling  # noqa: E402


class Restless:
    """An optimizer that changes something until the last of some rounds."""

    def __init__(self, rounds: float) -> None:
        self._rounds = rounds
        self.graph_been_opt = False

    def optimize(self, graph: "Graph", iteration: int) -> "Graph":
        assert iteration < 100, "never ends"
        graph.rounds += 1
        self.graph_been_opt = graph.rounds < self._rounds
        return graph


class Graph:
    """What tf2onnx needs of a graph to optimize it."""

    rounds = 0

    def dump_node_statistics(self) -> Counter[str]:
        return Counter()

    def get_nodes(self) -> list[object]:
        return []

    def topological_sort(self, nodes: list[object]) -> None:
        assert nodes == []


@pytest.mark.parametrize(("needed", "rounds"), [(1, 1), (ROUNDS - 1, ROUNDS - 1), (float("inf"), ROUNDS)])
def test_a_graph_is_optimized_until_it_settles_but_not_for_ever(needed: float, rounds: int) -> None:
    graph = Graph()
    settled = tf2onnx.optimizer.optimize_graph(
        graph, catch_errors=False, optimizers={"restless": lambda: Settling(lambda: Restless(needed))}
    )
    assert settled.rounds == rounds
