"""Dense prediction cells: published counts and forms, uniform sampling, canonical keys, files."""

import json
from collections import Counter
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.networks.families.dpc_json import from_released, to_released
from rl_nas.networks.genotypes import from_json, load, to_json
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.spaces.dpc import ATROUS, CONV, POOLING, Branch, DenseOperation, DensePredictionCell
from rl_nas.spaces.dpc_space import canonical_count, dpc
from rl_nas.spaces.published import ASPP, DPC_TOP1
from rl_nas.spaces.settings import SpaceSettings

RELEASED_TOP1 = [
    {"kernel": 3, "rate": [1, 6], "op": "conv", "input": -1},
    {"kernel": 3, "rate": [18, 15], "op": "conv", "input": 0},
    {"kernel": 3, "rate": [6, 3], "op": "conv", "input": 1},
    {"kernel": 3, "rate": [1, 1], "op": "conv", "input": 0},
    {"kernel": 3, "rate": [6, 21], "op": "conv", "input": 0},
]


def every(space: SearchSpace[Any]) -> list[Architecture]:
    """All architectures."""
    found: list[Architecture] = [()]
    for index, decision in enumerate(space.decisions):
        found = [
            (*prefix, choice)
            for prefix in found
            for choice in range(len(decision.choices) if space.is_active(index, prefix) else 1)
        ]
    return found


def relabelled(cell: DensePredictionCell, rng: np.random.Generator) -> DensePredictionCell:
    """The same cell with its branches in a random order in which each follows the one it reads."""
    place: dict[int, int] = {-1: -1}
    while len(place) <= len(cell.branches):
        ready = [n for n, branch in enumerate(cell.branches) if n not in place and branch.input in place]
        place[ready[rng.integers(len(ready))]] = len(place) - 1
    order = sorted(range(len(cell.branches)), key=place.__getitem__)
    return DensePredictionCell(tuple(Branch(place[cell.branches[n].input], cell.branches[n].op) for n in order))


class TestCounts:
    def test_canonical_counts_of_the_paper_s_81_operations(self) -> None:
        counts = [canonical_count(81, branches) for branches in range(1, 6)]
        assert counts == [81, 9_882, 1_423_764, 225_405_909, 37_888_452_756]

    def test_one_operation_gives_the_rooted_trees(self) -> None:
        """A forest of n nodes is a rooted tree of n + 1 without its root: OEIS A000081."""
        assert [canonical_count(1, branches) for branches in range(10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]

    @pytest.mark.parametrize(
        ("branches", "rates", "grids"),
        [(1, 8, 4), (2, 2, 4), (2, 8, 4), (3, 1, 1), (3, 2, 1), (4, 1, 1), (5, 1, 1)],
    )
    def test_an_enumeration_finds_as_many_keys(self, branches: int, rates: int, grids: int) -> None:
        space, operations = dpc(branches, range(1, rates + 1), range(1, grids + 1)), 1 + rates**2 + grids**2
        architectures = every(space)
        assert len(architectures) == space.size() == factorial(branches) * operations**branches
        keys = {space.canonical_key(architecture) for architecture in architectures}
        assert len(keys) == canonical_count(operations, branches)


class TestCanonicalForm:
    @given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from([1, 2, 8]))
    def test_the_order_of_branches_does_not_matter(self, seed: int, branches: int, rates: int) -> None:
        rng = np.random.default_rng(seed)
        space = dpc(branches, range(1, rates + 1))  # few rates: many symmetries
        cell = space.decode(space.sample(rng))
        again = relabelled(cell, rng)
        assert again.canonical() == cell.canonical() == cell.canonical().canonical()
        assert again.canonical_key() == cell.canonical_key()
        # It is the same network: the same operations on the same operations.
        pairs = [
            Counter((c.branches[b.input].op if b.input >= 0 else None, b.op) for b in c.branches)
            for c in (cell, cell.canonical())
        ]
        assert pairs[0] == pairs[1]

    def test_a_chain_and_a_fan_of_the_same_operations_differ(self) -> None:
        conv = DenseOperation(CONV)
        chain = DensePredictionCell(tuple(Branch(n - 1, conv) for n in range(3)))
        fan = DensePredictionCell(tuple(Branch(-1, conv) for _ in range(3)))
        assert chain.canonical_key() != fan.canonical_key()

    def test_the_largest_cells_are_ordered_at_once(self) -> None:
        cell = DensePredictionCell(tuple(Branch(n - 1, DenseOperation(CONV)) for n in range(100)))
        assert cell.canonical() == cell


class TestSpace:
    def test_all_operations_are_equally_frequent_in_samples(self) -> None:
        """Chi-square of 20,000 operations with 80 degrees of freedom: above 156 once in a million times."""
        space, rng = dpc(), np.random.default_rng(0)
        counts = Counter(branch.op for _ in range(4000) for branch in space.decode(space.sample(rng)).branches)
        expected = 20_000 / 81
        assert len(counts) == 81
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < 156

    def test_published_cells_belong_to_it(self) -> None:
        for cell in (DPC_TOP1, ASPP):
            assert dpc().decode(dpc().encode(cell)) == cell

    def test_what_it_does_not_offer_is_told(self) -> None:
        with pytest.raises(UsageError, match="cell of 5 branches; the space has 4"):
            dpc(4).encode(ASPP)
        with pytest.raises(UsageError, match="1/rate_rows is 18; space dpc does not offer it"):
            dpc(5, (1, 6)).encode(DPC_TOP1)

    def test_rates_and_branches_are_settings(self) -> None:
        space = find_space(SpaceSettings(space="dpc", branches=2, rates="6, 1,3"))
        assert space.size() == 2 * (1 + 3**2 + 4**2) ** 2
        assert next(d for d in space.decisions if d.name == "0/rate_rows").choices == (1, 3, 6)

    @pytest.mark.parametrize("rates", ["", "1,", "0", "1,x", "3,3", "1001", "9" * 5000, "-1", "1.5"])
    def test_other_rates_are_refused(self, rates: str) -> None:
        with pytest.raises(UsageError, match="expected different whole numbers from 1 to 1000, separated by commas"):
            find_space(SpaceSettings(space="dpc", rates=rates))


class TestFiles:
    def test_the_authors_file_is_read_and_written(self, tmp_path: Path) -> None:
        file = tmp_path / "top1.json"
        file.write_text(json.dumps(RELEASED_TOP1))
        assert load(file) == DPC_TOP1
        assert to_released(DPC_TOP1) == RELEASED_TOP1

    def test_all_forms_of_the_authors_file(self) -> None:
        document = [
            {"kernel": [1, 1], "op": "conv", "input": -1},
            {"kernel": 1, "op": "conv", "rate": 6, "input": -1},
            {"kernel": [3, 3], "op": "conv", "rate": 6, "input": 1},
            {"kernel": 1, "op": "pyramid_pooling", "grid_size": [4, 2], "input": 2},
            {"op": "pyramid_pooling", "grid_size": 1, "input": -1},
        ]
        conv, atrous = DenseOperation(CONV), DenseOperation(ATROUS, 6, 6)
        pools = (DenseOperation(POOLING, 4, 2), DenseOperation(POOLING))
        branches = (Branch(-1, conv), Branch(-1, conv), Branch(1, atrous), Branch(2, pools[0]), Branch(-1, pools[1]))
        assert from_json(document) == DensePredictionCell(branches)

    @given(st.integers(0, 2**32), st.integers(1, 8))
    def test_every_cell_survives_both_forms(self, seed: int, branches: int) -> None:
        space = dpc(branches)
        cell = space.decode(space.sample(np.random.default_rng(seed)))
        assert from_json(json.loads(json.dumps(to_json(cell)))) == cell
        assert from_released(json.loads(json.dumps(to_released(cell)))) == cell

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ([1, 2], r"genotype is \[1, 2\]; expected dict"),
            ([{}], "branch 0 has no 'input'"),
            (
                [{"input": 0, "op": "conv", "kernel": 1}],
                r"branch 0 reads 0; expected -1 \(the features\) or",
            ),
            ([{"input": -2, "op": "conv", "kernel": 1}], "branch 0 reads -2"),
            ([{"input": -1, "op": "conv", "kernel": 5}], "branch 0: kernel is 5x5; expected 1 or 3"),
            ([{"input": -1, "op": "conv", "kernel": 3}], "branch 0 has no 'rate'"),
            ([{"input": -1, "op": "conv", "kernel": 3, "rate": [1]}], "branch 0: rate has 1 entries; expected 2"),
            ([{"input": -1, "op": "conv", "kernel": 3, "rate": 0}], "branch 0: rates of atrous_3x3 are 0x0; expected"),
            ([{"input": -1, "op": "conv", "kernel": 3, "rate": "6"}], 'branch 0: rate is "6"; expected int'),
            ([{"input": -1, "op": "pool"}], "branch 0: op is 'pool'; expected conv or pyramid_pooling"),
            ([{"input": -1, "op": "pyramid_pooling", "grid_size": [2, 10**6]}], "branch 0: grid of pyramid_pooling"),
            (
                [{"input": -1, "op": "pyramid_pooling", "grid_size": [65, 2]}],
                "grid of pyramid_pooling is 65x2; expected 1 to 64",
            ),
            (RELEASED_TOP1[:1] * 101, "cell of 101 branches; expected 1 to 100"),
            ({"schema": 1, "kind": "dpc"}, "genotype has no 'branches'"),
            ({"schema": 1, "kind": "dpc", "branches": []}, "cell of 0 branches; expected 1 to 100"),
            (
                {"schema": 1, "kind": "dpc", "branches": [{"input": -1, "op": "conv_3x3"}]},
                "unknown operation 'conv_3x3'",
            ),
            (
                {"schema": 1, "kind": "dpc", "branches": [{"input": -1, "op": "atrous_3x3", "rates": [1, True]}]},
                r"branches\[0\].rates\[1\] is true; expected int",
            ),
        ],
    )
    def test_malformed_documents_are_one_line_that_tells_where(self, document: object, message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            from_json(document)
        assert "\n" not in str(caught.value)
