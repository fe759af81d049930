"""What every space promises, and the published facts about each."""

import sys
from collections import Counter
from itertools import islice
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.genotypes import from_json, to_json
from rl_nas.networks.lookup import find_genotype
from rl_nas.spaces.amoebanet import AMOEBANET_OPERATIONS, amoebanet
from rl_nas.spaces.catalog import SPACES, find_space
from rl_nas.spaces.cells import CELL_INPUTS, unused_states
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.enas_micro import enas_micro
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.spaces.nasbench201 import EDGES, NASBENCH201_OPERATIONS, EdgeCell, nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import PUBLISHED, PUBLISHED_CELLS
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.strategies.random_search import RandomSearch


def changes(space: SearchSpace[Any], before: Architecture, after: Architecture) -> int:
    """The number of decisions made otherwise, not counting those that others have switched on or off."""
    places = [i for i in range(len(before)) if space.is_active(i, before) and space.is_active(i, after)]
    return sum(before[i] != after[i] for i in places)


@pytest.mark.parametrize("name", SPACES)
class TestEverySpace:
    def test_samples_are_valid_and_survive_every_form(self, name: str) -> None:
        space = find_space(SpaceSettings(space=name, layers=6, strides=True))
        rng = np.random.default_rng(0)
        for _ in range(50):
            architecture = space.sample(rng)
            genotype = space.decode(architecture)
            assert space.is_valid(genotype)
            assert space.encode(genotype) == architecture
            assert from_json(to_json(genotype)) == genotype
            assert space.canonical_key(architecture) == genotype.canonical_key()

    def test_mutations_and_neighbors_belong_to_it(self, name: str) -> None:
        space = find_space(SpaceSettings(space=name, layers=6))
        rng = np.random.default_rng(1)
        for _ in range(20):
            architecture = space.sample(rng)
            mutated = space.mutate(architecture, rng)
            assert space.is_valid(space.decode(mutated))
            if space.mutator is None:
                assert changes(space, architecture, mutated) == 1
            neighbors = list(islice(space.neighbors(architecture), 400))
            assert len(set(neighbors)) == len(neighbors)
            for neighbor in neighbors[::17]:
                assert space.is_valid(space.decode(neighbor))
                assert changes(space, architecture, neighbor) == 1

    def test_same_seed_same_samples(self, name: str) -> None:
        space = find_space(SpaceSettings(space=name))
        first, again = (space.sample(np.random.default_rng(7)) for _ in range(2))
        assert first == again


def test_published_sizes() -> None:
    assert nasnet().size() == 2_286_906_949_584_691_200**2
    assert amoebanet().size() == 309_834_464_941_077_422_470_594_560_000  # (5.566e14)**2
    assert enas_micro().size() == (np.prod([(2 + b) ** 2 * 5**2 for b in range(5)], dtype=object)) ** 2
    assert nasbench101().size() == 2**21 * 3**5
    assert nasbench201().size() == 15_625
    assert dpc().size() == factorial(5) * 81**5 == 418_414_128_120
    assert dpc(20).size() == factorial(20) * 81**20
    assert nas_rl(15).size() == 4 ** (3 * 15) * 2 ** (15 * 14 // 2)
    assert nas_rl(20, strides=True, skips=False).size() == (4**3 * 3**2) ** 20


def test_number_of_neighbors() -> None:
    space = nasbench201()
    assert len(list(space.neighbors(space.sample(np.random.default_rng(0))))) == len(EDGES) * 4


class TestAmoebanetMutations:
    def test_kinds_are_as_frequent_as_published(self) -> None:
        """Identity 0.05; then hidden state or operation alike, the latter drawing its old operation in 1 of 8."""
        space, rng = amoebanet(), np.random.default_rng(0)
        start = space.sample(rng)
        counts: Counter[str] = Counter()
        for _ in range(4000):
            mutated = space.mutate(start, rng)
            if mutated == start:
                counts["same"] += 1
                continue
            old, new = space.decode(start), space.decode(mutated)
            ops = [sorted(op for cell in g.cells().values() for b in cell.blocks for op in b.ops) for g in (old, new)]
            counts["state" if ops[0] == ops[1] else "operation"] += 1
        expected = {"same": 0.05 + 0.475 / 8, "operation": 0.475 * 7 / 8, "state": 0.475}
        for kind, share in expected.items():
            deviation = np.sqrt(share * (1 - share) / 4000)
            assert abs(counts[kind] / 4000 - share) < 5 * deviation, kind  # by chance once in 1.7 million

    def test_exactly_one_edge_or_one_operation_changes(self) -> None:
        space, rng = amoebanet(), np.random.default_rng(1)
        for _ in range(300):
            architecture = space.sample(rng)
            old, new = space.decode(architecture), space.decode(space.mutate(architecture, rng))
            changed = [k for k in old.cells() if old.cells()[k] != new.cells()[k]]
            assert len(changed) <= 1
            for kind in changed:
                before, after = (Counter(op for b in g.cells()[kind].blocks for op in b.ops) for g in (old, new))
                assert sum((before - after).values()) <= 1
                assert set(after) <= set(AMOEBANET_OPERATIONS)

    def test_a_block_may_come_to_read_a_later_one(self) -> None:
        """Only loops are forbidden: with two blocks that do not read each other, either may come to read the other."""
        space, rng = amoebanet(2), np.random.default_rng(0)
        start = space.encode(
            from_json(
                {
                    "schema": 1,
                    "kind": "cells",
                    "cells": {
                        kind: {
                            "blocks": [
                                {"inputs": [0, 0], "ops": ["sep_3x3", "sep_3x3"]},
                                {"inputs": [1, 1], "ops": ["sep_5x5", "sep_5x5"]},
                            ],
                            "concat": [2, 3],
                        }
                        for kind in ("normal", "reduction")
                    },
                }
            )
        )
        readers = set()
        for _ in range(500):
            cell = space.decode(space.mutate(start, rng)).normal
            readers |= {b.ops[0] for b in cell.blocks if CELL_INPUTS in b.inputs and len(set(b.ops)) == 1}
        assert readers == {"sep_3x3", "sep_5x5"}


class TestChains:
    def test_repairs_of_the_paper(self) -> None:
        """A layer without inputs reads the image; layers that nobody reads are the outputs."""
        space = nas_rl(3)
        values = {d.name: d.choices[0] for d in space.decisions}
        assert space.decoder(values).outputs == (1, 2, 3)
        assert {layer.inputs for layer in space.decoder(values).layers} == {(0,)}
        chained = space.decoder(values | {"2/from/1": 1, "3/from/2": 1, "3/from/1": 1})
        assert [layer.inputs for layer in chained.layers] == [(0,), (1,), (1, 2)]
        assert chained.outputs == (3,)

    def test_without_skips_each_layer_reads_the_one_before(self) -> None:
        chain = nas_rl(3, skips=False).decode((0,) * 9)
        assert [layer.inputs for layer in chain.layers] == [(0,), (1,), (2,)]

    def test_networks_grow_by_the_schedule(self) -> None:
        """From 6 layers by two and two every so many trials (section 4.1); depth is no free decision then."""
        space = nas_rl(10, start_layers=6, grow_every=3)
        strategy = RandomSearch(space, seed=0)
        depths = [len(space.decode(a).layers) for n in (2, 4, 4, 2) for a in strategy.propose(n)]
        assert depths == [6] * 3 + [8] * 3 + [10] * 6
        for architecture in strategy.propose(3):
            assert space.encode(space.decode(architecture)) == architecture

    @pytest.mark.parametrize(("layers", "start"), [(10, 5), (4, 6), (0, None)])
    def test_schedules_that_lead_nowhere(self, layers: int, start: int | None) -> None:
        with pytest.raises(UsageError, match="expected at least 1"):
            nas_rl(layers, start_layers=start)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_architectures_are_found_and_come_back_from_json(name: str) -> None:
    genotype = find_genotype(name)
    assert from_json(to_json(genotype)) == genotype


@pytest.mark.parametrize("name", PUBLISHED_CELLS)
def test_published_cells_are_written_well(name: str) -> None:
    for cell in PUBLISHED_CELLS[name].cells().values():
        assert set(unused_states(cell.blocks)) <= set(cell.concat)  # none of their blocks is dead
        assert len(cell.canonical().blocks) == 5


def test_concat_lists_that_break_the_rule() -> None:
    """NASNet-A also concatenates states that a block reads: by the rule its parameters would not be the published."""
    assert PUBLISHED_CELLS["NASNet-A"].normal.concat == (1, 2, 3, 4, 5, 6)
    assert unused_states(PUBLISHED_CELLS["NASNet-A"].normal.blocks) == (2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|nor_conv_3x3~0|+|none~0|", "not a NAS-Bench-201 string"),
        ("|a~0|+|a~0|a~1|+|a~0|a~1|a~2|", "unknown NAS-Bench-201 operation 'a'"),
        ("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "not a NAS-Bench-201 string"),
    ],
)
def test_malformed_nasbench201_strings(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_genotype(text)


def test_nasbench201_string() -> None:
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    cell = find_genotype(text)
    assert isinstance(cell, EdgeCell)
    assert str(cell) == text
    assert set(cell.ops) == set(NASBENCH201_OPERATIONS)


SPACE_OF_ONES_OWN = """
from rl_nas.spaces.cell_space import cell_space

tiny = cell_space("tiny", blocks=2, operations=("sep_3x3", "identity"))

def made(): return tiny

number = 3
"""


class TestSpacesOfOnesOwn:
    @pytest.fixture(autouse=True)
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "my_spaces.py").write_text(SPACE_OF_ONES_OWN)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])

    @pytest.mark.parametrize("name", ["my_spaces:tiny", "my_spaces:made"])
    def test_is_found_in_the_working_folder(self, name: str) -> None:
        assert find_space(SpaceSettings(space=name)).size() == ((2 * 2) ** 2 * (3 * 2) ** 2) ** 2

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("my_spaces:huge", "module my_spaces has no huge"),
            ("my_spaces:number", "is int; expected a SearchSpace"),
            ("your_spaces:tiny", "No module named 'your_spaces'"),
            ("nasnt", "did you mean nasnet"),
            ("zzz", "expected one of nasnet, amoebanet"),
        ],
    )
    def test_what_is_no_space_is_told(self, name: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            find_space(SpaceSettings(space=name))
