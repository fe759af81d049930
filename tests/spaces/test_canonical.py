"""Canonical forms: equal for the same network however it is written, different for different ones."""

import hashlib
from collections import Counter
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.spaces.canonical import Link, _Search, canonical_order
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.cells import CELL_INPUTS, Block, Cell, CellGenotype
from rl_nas.spaces.chain import ChainGenotype, ChainLayer
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import INPUT, NASBENCH101_OPERATIONS, OUTPUT, ModelSpec, nasbench101
from rl_nas.spaces.nasbench201 import NASBENCH201_OPERATIONS, EdgeCell, nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.settings import SpaceSettings

SEEDS = st.integers(0, 2**32)


def shuffled_order(reads: dict[int, set[int]], first: list[int], rng: np.random.Generator) -> list[int]:
    """The nodes in a random order in which each follows those it reads."""
    order = list(first)
    while len(order) < len(reads):
        ready = [node for node, needed in reads.items() if node not in order and needed <= set(order)]
        order.append(ready[rng.integers(len(ready))])
    return order


def relabelled(cell: Cell, rng: np.random.Generator) -> Cell:
    """The same cell with its blocks in another order and the two sides of some blocks exchanged."""
    reads: dict[int, set[int]] = {state: set() for state in range(CELL_INPUTS)}
    reads |= {CELL_INPUTS + n: set(block.inputs) for n, block in enumerate(cell.blocks)}
    order = shuffled_order(reads, [0, 1], rng)
    place = {state: rank for rank, state in enumerate(order)}
    blocks = []
    for state in order[CELL_INPUTS:]:
        block = cell.blocks[state - CELL_INPUTS]
        pairs = [(place[s], op) for s, op in zip(block.inputs, block.ops, strict=True)]
        (s1, op1), (s2, op2) = pairs if rng.random() < 0.5 else reversed(pairs)
        blocks.append(Block((s1, s2), (op1, op2), block.combine))
    concat = [place[state] for state in cell.concat]
    return Cell(tuple(blocks), tuple(concat[i] for i in rng.permutation(len(concat))))


def relabelled_chain(chain: ChainGenotype, rng: np.random.Generator) -> ChainGenotype:
    reads: dict[int, set[int]] = {0: set()} | {n: set(x.inputs) for n, x in enumerate(chain.layers, start=1)}
    order = shuffled_order(reads, [0], rng)
    place = {state: rank for rank, state in enumerate(order)}
    layers = []
    for state in order[1:]:
        x = chain.layers[state - 1]
        layers.append(ChainLayer(x.kernel, x.filters, x.strides, tuple(place[s] for s in rng.permutation(x.inputs))))
    return ChainGenotype(tuple(layers), tuple(place[state] for state in chain.outputs))


@given(SEEDS, st.integers(1, 7), st.sampled_from([("sep_3x3",), ("sep_3x3", "identity"), None]))
def test_cells_keep_their_key_when_relabelled(seed: int, blocks: int, operations: tuple[str, ...] | None) -> None:
    rng = np.random.default_rng(seed)
    space = nasnet(blocks, operations) if operations else nasnet(blocks)  # few operations: many symmetries
    genotype = space.decode(space.sample(rng))
    assert genotype.reduction is not None
    again = CellGenotype(relabelled(genotype.normal, rng), relabelled(genotype.reduction, rng))
    assert again.canonical() == genotype.canonical()
    assert again.canonical_key() == genotype.canonical_key()
    assert genotype.canonical().canonical() == genotype.canonical()


@given(SEEDS, st.integers(1, 8))
def test_chains_keep_their_key_when_relabelled(seed: int, layers: int) -> None:
    rng = np.random.default_rng(seed)
    chain = nas_rl(layers).decode(nas_rl(layers).sample(rng))
    assert relabelled_chain(chain, rng).canonical_key() == chain.canonical_key()


@given(SEEDS)
def test_every_mutation_that_is_none_of_the_writing_changes_the_key(seed: int) -> None:
    """Changing one operation of a cell changes how often it occurs, so the networks differ."""
    rng = np.random.default_rng(seed)
    space = nasnet(4)
    architecture = space.sample(rng)
    name = f"normal/{rng.integers(4)}/op1"
    place = next(i for i, d in enumerate(space.decisions) if d.name == name)
    other = [*architecture]
    other[place] = (other[place] + 1 + int(rng.integers(12))) % 13
    assert space.canonical_key(architecture) != space.canonical_key(other)


def test_dead_blocks_are_pruned() -> None:
    alive = (Block((0, 1), ("sep_3x3", "identity")), Block((0, 2), ("sep_5x5", "identity")))
    dead = Block((1, 1), ("conv_3x3", "conv_3x3"))
    assert Cell((alive[0], dead, Block((0, 2), alive[1].ops)), (4,)).canonical() == Cell(alive, (3,)).canonical()


def test_sharing_a_block_is_not_repeating_it() -> None:
    """Reading one block twice, or two equal blocks once each: other networks, with other parameters."""
    block = Block((0, 1), ("sep_3x3", "sep_5x5"))
    shared = Cell((block, Block((2, 2), ("sep_3x3", "sep_3x3"))), (3,))
    repeated = Cell((block, block, Block((2, 3), ("sep_3x3", "sep_3x3"))), (4,))
    assert shared.canonical() != repeated.canonical()


def test_order_tells_apart_what_colors_cannot() -> None:
    """Six inner nodes, each with two predecessors and successors alike: one ring of six, or two of three."""

    def links(rings: list[list[int]]) -> list[Link]:
        found = []
        for ring in rings:
            for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
                found += [Link(a, 6 + a, ""), Link(a, 6 + b, "")]
        return found

    def encoded(graph: list[Link]) -> Counter[tuple[int, int]]:
        place = {node: rank for rank, node in enumerate(canonical_order(["x"] * 12, graph))}
        return Counter((place[source], place[target]) for source, target, _ in graph)

    one, two = links([[0, 1, 2, 3, 4, 5]]), links([[0, 1, 2], [3, 4, 5]])
    assert encoded(one) != encoded(two)
    assert encoded(one) == encoded(links([[3, 0, 5, 1, 4, 2]]))
    assert encoded(two) == encoded(links([[0, 5, 2], [3, 4, 1]]))


def test_twenty_equal_blocks_are_ordered_at_once() -> None:
    cell = Cell(tuple(Block((0, 1), ("sep_3x3", "sep_3x3")) for _ in range(20)), tuple(range(2, 22)))
    assert cell.canonical() == cell


def _rings(sizes: list[int]) -> list[Link]:
    """Rings in which every second node reads both neighbors: color refinement tells none of their nodes apart."""
    links, total, base = [], sum(sizes), 0
    for size in sizes:
        for n in range(size):
            links += [Link(base + n, total + base + n, ""), Link(base + n, total + base + (n + 1) % size, "")]
        base += size
    return links


def _chains(count: int, length: int) -> list[Link]:
    """Equal chains side by side, all from node 0."""
    starts = range(1, 1 + count * length, length)
    return [Link(n - 1 if n > first else 0, n, "") for first in starts for n in range(first, first + length)]


def _work(nodes: int, links: list[Link], most: int) -> int:
    """The work that an order took, which its search stops at some multiple of the graph's size beyond the most."""
    search = _Search(links, most)
    search.smallest(search.refined([0] * nodes))
    return most - search._work


@pytest.mark.parametrize("count", [5, 10, 20])
def test_equal_parts_are_ordered_in_polynomial_time(count: int) -> None:
    """Their number of orders is a factorial; one of them stands for all."""
    nodes, links = 1 + 3 * count, _chains(count, 3)
    assert _work(nodes, links, 10**9) <= 10 * (nodes + len(links)) * count**3


@pytest.mark.parametrize("sizes", [[3] * 10, [3, 4, 5, 6, 7, 8], [3, 3, 4, 4, 5, 5, 6, 6, 7, 7]])
def test_hard_graphs_take_no_more_work_than_the_most(sizes: list[int]) -> None:
    links = _rings(sizes)
    once = 2 * sum(sizes) + len(links)
    assert _work(2 * sum(sizes), links, 10_000) <= 10_000 + 2 * sum(sizes) * 10 * once
    order = canonical_order(["x"] * 2 * sum(sizes), links)
    assert sorted(order) == list(range(2 * sum(sizes)))
    assert order == canonical_order(["x"] * 2 * sum(sizes), links)


def test_a_small_genotype_of_many_equal_parts_has_a_key_at_once() -> None:
    """Blocks in pairs, of which only the second is an output: 25! orders of a kilobyte of JSON."""
    first, second = Block((0, 1), ("sep_3x3", "sep_3x3")), ("identity", "identity")
    blocks = (*[first] * 25, *(Block((2 + n, 2 + n), second) for n in range(25)))
    cell = Cell(blocks, tuple(range(27, 52)))
    again = relabelled(cell, np.random.default_rng(0))
    assert again.canonical() == cell.canonical()


@pytest.mark.parametrize(
    ("space", "keys"),
    [
        (SpaceSettings(space="nasnet"), "8a1b43cd951a9f4b"),
        (SpaceSettings(space="amoebanet"), "768184d4a9ef16bd"),
        (SpaceSettings(space="enas_micro", blocks=7), "0e8c7693eae11df6"),
        (SpaceSettings(space="nas_rl", layers=8), "6a43964d6e511714"),
        (SpaceSettings(space="nas_fpn"), "d1e1862d63a21880"),
        (SpaceSettings(space="dpc"), "ae13fdf4f7112e54"),
    ],
)
def test_keys_stay_as_runs_have_recorded_them(space: SpaceSettings, keys: str) -> None:
    """Trials of a network that was measured before are known by its key, on resume too."""
    rng, found = np.random.default_rng(0), find_space(space)
    joined = "".join(found.canonical_key(found.sample(rng)) for _ in range(200))
    assert hashlib.sha256(joined.encode()).hexdigest()[:16] == keys


def nasbench101_graphs(vertices: int) -> set[str]:
    """Hashes of all graphs of the benchmark in which exactly so many vertices lie on paths from input to output."""
    pairs = list(combinations(range(vertices), 2))
    keys = set()
    for edges in product((0, 1), repeat=len(pairs)):
        chosen = {pair for pair, edge in zip(pairs, edges, strict=True) if edge}
        matrix = tuple(tuple(int((a, b) in chosen) for b in range(vertices)) for a in range(vertices))
        bare = ModelSpec(matrix, (INPUT, *NASBENCH101_OPERATIONS[:1] * (vertices - 2), OUTPUT))
        pruned = bare.pruned()
        if pruned is None or len(pruned.ops) < vertices or bare.problem():
            continue
        for ops in product(NASBENCH101_OPERATIONS, repeat=vertices - 2):
            keys.add(ModelSpec(matrix, (INPUT, *ops, OUTPUT)).canonical_key())
    return keys


@pytest.mark.parametrize(
    ("vertices", "graphs"), [(2, 1), (3, 6), (4, 84), pytest.param(5, 2441, marks=pytest.mark.slow)]
)
def test_number_of_nasbench101_graphs(vertices: int, graphs: int) -> None:
    """Ying et al. 2019 have 423,624 graphs of up to 7 vertices; of the small ones an enumeration finds as many."""
    assert len(nasbench101_graphs(vertices)) == graphs


def test_nasbench101_hash_is_that_of_the_pruned_graph_in_any_order() -> None:
    space = nasbench101()
    rng = np.random.default_rng(0)
    for _ in range(50):
        spec = space.decode(space.sample(rng))
        pruned = spec.pruned()
        assert pruned is not None
        assert pruned.canonical_key() == spec.canonical_key()
        size = len(pruned.ops)
        for inner in list(permutations(range(1, size - 1)))[:20]:
            order = [0, *inner, size - 1]
            matrix = [[pruned.matrix[a][b] for b in order] for a in order]
            if any(matrix[a][b] for a in range(size) for b in range(a + 1)):
                continue  # not upper-triangular in this order
            again = ModelSpec(tuple(map(tuple, matrix)), tuple(pruned.ops[v] for v in order))
            assert again.canonical_key() == spec.canonical_key()


def test_number_of_different_nasbench201_cells() -> None:
    cells = [EdgeCell(ops) for ops in product(NASBENCH201_OPERATIONS, repeat=6)]
    assert len(cells) == nasbench201().size() == 15_625
    assert len({cell.canonical_key() for cell in cells}) == 6_466
    assert len({str(cell) for cell in cells}) == 15_625
    assert all(EdgeCell.from_string(str(cell)) == cell for cell in cells[::97])
