"""Properties of plans that hold for every genotype."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.networks.layer import Cost
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.nasnet import nasnet
from rl_nas.tasks.classification.head import ClassificationHead as Head


@st.composite
def genotypes(draw: st.DrawFn) -> CellGenotype:
    space = nasnet(draw(st.integers(1, 6)))
    return space.decode(space.sample(np.random.default_rng(draw(st.integers(0, 2**32)))))


def plan(genotype: CellGenotype, **settings: object) -> Plan:
    return plan_network(genotype, NetworkSettings(**{"cells": 1, "filters": 8, **settings}), (16, 16, 3), Head(10))


@given(genotypes())
def test_costs_add_up_and_names_are_unique(genotype: CellGenotype) -> None:
    network = plan(genotype)
    costs = [node.layer.cost(*(t.shape for t in node.inputs)) for node in network.nodes]
    assert network.cost() == sum(costs, start=Cost())
    for names in ({node.name for node in network.nodes}, {node.key for node in network.nodes}):
        assert len(names) == len(network.nodes)
    seen = {network.image.node}
    for node in network.nodes:
        assert {tensor.node for tensor in node.inputs} <= seen
        seen.add(node.output.node)
    # Nothing is planned that does not lead to the logits.
    outputs = {tensor.node for tensor in network.outputs.values()}
    assert seen - outputs <= {tensor.node for node in network.nodes for tensor in node.inputs}


@given(genotypes())
def test_behind_an_output_convolution_the_head_reads_the_last_filters(genotype: CellGenotype) -> None:
    without, network = plan(genotype), plan(genotype, output_conv=True)
    last, read = 8 * 2**2, without.nodes[-2].output.channels
    more = last * read + 2 * last  # the convolution, the normalisation
    assert network.nodes[-1].inputs[0].channels == last
    assert network.cost().trainable == without.cost().trainable + more + 10 * (last - read)
    assert network.cost().madds == without.cost().madds + last * read * 4 * 4 + 10 * (last - read)


@given(genotypes(), st.integers(1, 40))
def test_more_filters_cost_more(genotype: CellGenotype, filters: int) -> None:
    less, more = plan(genotype, filters=filters).cost(), plan(genotype, filters=filters + 1).cost()
    assert more.trainable > less.trainable
    assert more.other > less.other
    assert more.madds > less.madds


@given(genotypes(), st.integers(0, 4))
def test_filters_double_as_the_image_halves(genotype: CellGenotype, reductions: int) -> None:
    network = plan(genotype, reductions=reductions)
    for stage in range(reductions + 1):
        sums = [n.output for n in network.nodes if n.name.startswith(f"stage{stage + 1}.") and n.name.endswith(".add")]
        assert {tensor.shape for tensor in sums} <= {(16 // 2**stage, 16 // 2**stage, 8 * 2**stage)}
