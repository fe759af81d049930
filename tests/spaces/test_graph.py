"""Genotypes as graphs of their operations: by hand, and equal for equal networks."""

from typing import Any

import numpy as np
import pytest

from rl_nas.networks.families.catalog import FAMILIES
from rl_nas.spaces.amoebanet import amoebanet
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.enas_micro import enas_micro
from rl_nas.spaces.graph import Graphed, OperationGraph, edge_graph, pruned
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.spaces.nasbench201 import EdgeCell, nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import PUBLISHED
from rl_nas.surrogate.features import subtree_counts

SPACES = {
    "nasnet": nasnet,
    "amoebanet": amoebanet,
    "enas_micro": enas_micro,
    "nas_rl": lambda: nas_rl(6),
    "nasbench101": nasbench101,
    "nasbench201": nasbench201,
    "dpc": dpc,
    "nas_fpn": nas_fpn,
}


def test_a_cell_of_edges_without_what_no_path_uses() -> None:
    cell = EdgeCell.from_string("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|")
    expected = ("input", "nor_conv_3x3", "skip_connect", "nor_conv_1x1", "output")
    assert cell.graph() == OperationGraph(expected, ((), (0,), (1,), (2,), (3,)))
    cut = EdgeCell.from_string("|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|")
    assert cut.graph() == OperationGraph(("input", "avg_pool_3x3", "output"), ((), (0,), (1,)))
    assert EdgeCell(("none",) * 6).graph() == OperationGraph(("output",), ((),))


def test_an_operation_reads_each_of_a_sum() -> None:
    graph = edge_graph(((0, 1), (0, 2), (1, 2), (2, 3)), ("a", "b", "c", "d"), zeros=())
    labels = {label: number for number, label in enumerate(graph.labels)}
    assert sorted(graph.reads[labels["d"]]) == sorted((labels["b"], labels["c"]))
    assert graph.reads[labels["c"]] == (labels["a"],)


def test_pruning_keeps_what_lies_between() -> None:
    labels = ["in 0", "in 1", "used", "unread", "unfed", "reads unfed", "out"]
    reads = [(), (), (0,), (1, 2), (), (2, 4), (5,)]
    assert pruned(labels, reads, inputs=2) == OperationGraph(
        ("in 0", "used", "reads unfed", "out"), ((), (0,), (1,), (2,))
    )


@pytest.mark.parametrize("name", SPACES)
def test_graphs_are_ordered_and_those_of_canonical_forms_are_alike(name: str) -> None:
    space: SearchSpace[Any] = SPACES[name]()
    rng = np.random.default_rng(0)
    for _ in range(30):
        genotype = space.decode(space.sample(rng))
        assert isinstance(genotype, Graphed)
        graph = genotype.graph()
        assert len(graph.labels) == len(graph.reads)
        assert all(source < number for number, sources in enumerate(graph.reads) for source in sources)
        if hasattr(genotype, "canonical"):
            other = genotype.canonical().graph()
            assert (subtree_counts(graph) == subtree_counts(other)).all()
            assert sorted(graph.labels) == sorted(other.labels)


def test_published_cells_have_two_operations_for_each_live_block_and_cell() -> None:
    graph = PUBLISHED["NASNet-A"].graph()
    operations = [label for label in graph.labels if "output" not in label and not label.endswith((" h0", " h1"))]
    assert len(operations) == 2 * 5 * 2


def test_every_family_that_is_searched_has_graphs() -> None:
    assert {kind for kind in FAMILIES if kind != "fpn"} == {
        space().decode(space().sample(np.random.default_rng(0))).KIND for space in SPACES.values()
    }
