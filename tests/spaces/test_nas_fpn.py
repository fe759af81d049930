"""Necks of merging cells: published counts, canonical forms, files."""

import json
from collections.abc import Iterator
from dataclasses import replace
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.networks.families.nas_fpn_json import from_released, to_released
from rl_nas.networks.genotypes import from_json, to_json
from rl_nas.spaces.nas_fpn import ATTENTION, SUM, FeaturePyramid, Merge, MergingNeck
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.published import NAS_FPN

RELEASED = [3, 1, 1, 3, 3, 0, 1, 5, 4, 0, 0, 6, 3, 0, 6, 7, 2, 1, 7, 8, 0, 1, 6, 9, 1, 1, 9, 10]


def size(levels: int, merges: int) -> int:
    pairs = prod(n * (n - 1) for n in range(levels, levels + merges))
    return pairs * 2**merges * levels ** (merges - levels) * factorial(levels)


def every(merges: int, coarsest: int) -> list[MergingNeck]:
    """All necks of a space without conditions."""
    space = nas_fpn(merges, 1, coarsest)
    sizes = [len(decision.choices) for decision in space.decisions]
    return [space.decode([int(choice) for choice in choices]) for choices in np.ndindex(*sizes)]


def sample(seed: int, merges: int = 7, coarsest: int = 7, finest: int = 3) -> MergingNeck:
    space = nas_fpn(merges, finest, coarsest)
    return space.decode(space.sample(np.random.default_rng(seed)))


def same(neck: MergingNeck) -> Iterator[MergingNeck]:
    """Necks that are the same network for a reason each."""
    inputs, levels = len(neck.levels), neck.feature_levels
    read = [n for merge in neck.merges for n in merge.inputs]

    def changed(number: int, *merges: Merge) -> MergingNeck:
        return replace(neck, merges=(*neck.merges[:number], *merges, *neck.merges[number + len(merges) :]))

    for number, merge in enumerate(neck.merges):
        first, second = merge.inputs
        if merge.op == SUM or levels[first] != levels[second]:
            yield changed(number, replace(merge, inputs=(second, first)))
        if merge.op == SUM:
            for extra in neck.added(number):  # one sum: what is read can be added, and the other way round
                if levels[first] == merge.level and read.count(first) == 1 and first < inputs + neck.inner:
                    yield changed(number, replace(merge, inputs=(extra, second)))
        later = neck.merges[number + 1 :]
        if later and number + 1 != neck.inner and inputs + number not in later[0].inputs:
            swapped = {inputs + number: inputs + number + 1, inputs + number + 1: inputs + number}
            rest = (
                replace(m, inputs=(swapped.get(m.inputs[0], m.inputs[0]), swapped.get(m.inputs[1], m.inputs[1])))
                for m in later[1:]
            )
            yield changed(number, later[0], merge, *rest)


def classes(necks: list[MergingNeck]) -> int:
    """The number of different networks, by joining those that are the same."""
    parent = {neck: neck for neck in necks}

    def root(neck: MergingNeck) -> MergingNeck:
        while parent[neck] != neck:
            parent[neck] = parent[parent[neck]]
            neck = parent[neck]
        return neck

    for neck in necks:
        for other in same(neck):
            parent[root(other)] = root(neck)
    return sum(parent[neck] == neck for neck in necks)


class TestCounts:
    def test_the_published_space(self) -> None:
        assert nas_fpn().size() == size(5, 7) == 386_266_890_240_000_000
        assert nas_fpn(5).size() == size(5, 5)
        assert nas_fpn(12).size() == size(5, 12)

    @pytest.mark.parametrize(("levels", "merges"), [(2, 2), (2, 3)])
    def test_an_enumeration_finds_all_of_a_small_space(self, levels: int, merges: int) -> None:
        necks = every(merges, levels)
        assert len(set(necks)) == len(necks) == size(levels, merges) == nas_fpn(merges, 1, levels).size()
        assert len({neck.canonical_key() for neck in necks}) == classes(necks)

    def test_every_decision_can_be_every_feature_and_level(self) -> None:
        necks = [sample(seed) for seed in range(300)]
        assert {merge.inputs for neck in necks for merge in neck.merges[:1]} == {
            (a, b) for a in range(5) for b in range(5) if a != b
        }
        assert {neck.merges[2].level for neck in necks} == {neck.merges[6].level for neck in necks} == set(range(3, 8))


class TestCanonicalForm:
    @given(st.integers(0, 2**32), st.integers(3, 9), st.integers(2, 4))
    def test_networks_that_are_the_same_have_one_key(self, seed: int, merges: int, levels: int) -> None:
        rng = np.random.default_rng(seed)
        neck = other = sample(seed, max(merges, levels), levels, 1)
        for _ in range(12):
            found = list(same(other))
            other = found[rng.integers(len(found))] if found else other
        assert other.canonical() == neck.canonical() == neck.canonical().canonical()
        assert other.canonical_key() == neck.canonical_key() == neck.canonical().canonical_key()

    def test_the_order_of_an_attention_within_a_level_counts(self) -> None:
        merges = (Merge((0, 1), 1, SUM), Merge((0, 1), 1, SUM))
        pair = [MergingNeck((*merges, Merge(i, 2, ATTENTION), Merge((0, 1), 1, SUM)), 1, 2) for i in ((0, 2), (2, 0))]
        assert pair[0].canonical_key() != pair[1].canonical_key()
        across = [MergingNeck((*merges, Merge(i, 2, ATTENTION), Merge((0, 1), 1, SUM)), 1, 2) for i in ((0, 1), (1, 0))]
        assert across[0].canonical_key() == across[1].canonical_key()

    def test_equal_merging_cells_are_told_apart_by_their_readers(self) -> None:
        """Both have weights of their own: it counts whether two cells read the same one."""
        equal = (Merge((0, 1), 1, SUM), Merge((0, 1), 1, SUM))
        read = {
            name: MergingNeck((*equal, Merge((0, a), 2, ATTENTION), Merge((1, b), 1, ATTENTION)), 1, 2)
            for name, a, b in (("once", 2, 2), ("again", 3, 3), ("both", 2, 3), ("crossed", 3, 2))
        }
        keys = {name: neck.canonical_key() for name, neck in read.items()}
        assert keys["once"] == keys["again"] != keys["both"] == keys["crossed"]

    def test_the_largest_neck_of_equal_cells_is_ordered(self) -> None:
        equal = tuple(Merge((0, 1), 4, SUM) for _ in range(7))
        neck = MergingNeck((*equal, *(Merge((0, 1), level, SUM) for level in range(3, 8))))
        assert neck.canonical() == neck


class TestFeatures:
    @given(st.integers(0, 2**32), st.integers(5, 12))
    def test_all_are_read_added_or_outputs_and_only_once_added(self, seed: int, merges: int) -> None:
        neck = sample(seed, merges)
        added = [n for number in range(merges) for n in neck.added(number)]
        read = {n for merge in neck.merges for n in merge.inputs}
        assert len(set(added)) == len(added)
        assert not read & set(added)
        assert read | set(added) | set(range(merges, merges + 5)) == set(range(merges + 5))

    def test_the_published_neck_adds_p5_and_p7(self) -> None:
        assert [NAS_FPN.added(number) for number in range(7)] == [(), (), (), (), (2,), (4,), ()]


def test_equal_cells_do_not_take_a_factorial_of_time() -> None:
    """Strangers' genotypes, and controllers that propose one cell again and again."""
    first = MergingNeck((*(Merge((0, 1), 1, SUM) for _ in range(11)), Merge((0, 1), 2, SUM)), 1, 2)
    assert first.canonical() == MergingNeck(first.merges, 1, 2)
    cells = [Merge((0, 1), 1, SUM) for _ in range(8)]
    keys = set()
    for pairs in ((2, 4, 6, 8), (8, 6, 4, 2), (4, 8, 2, 6)):
        readers = [Merge((n, n + 1), level, ATTENTION) for n, level in zip(pairs, (1, 1, 1, 2), strict=True)]
        keys.add(MergingNeck((*cells, *readers), 1, 2).canonical_key())
    assert len(keys) == 1


class TestFiles:
    def test_the_authors_notation_is_read_and_written(self) -> None:
        assert from_json(RELEASED) == NAS_FPN
        assert to_released(NAS_FPN) == RELEASED

    @given(st.integers(0, 2**32), st.integers(5, 12))
    def test_every_neck_survives_both_forms(self, seed: int, merges: int) -> None:
        neck = sample(seed, merges)
        assert from_json(json.loads(json.dumps(to_json(neck)))) == neck
        assert from_released(json.loads(json.dumps(to_released(neck)))) == neck
        space = nas_fpn(merges)
        assert space.decode(space.encode(neck)) == neck

    def test_the_feature_pyramid_is_a_genotype(self) -> None:
        assert to_json(FeaturePyramid()) == {"schema": 1, "kind": "fpn"}
        assert from_json({"schema": 1, "kind": "fpn"}) == FeaturePyramid()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"levels": [3]}, "levels has 1 entries; expected 2"),
            ({"levels": [3, 10**6]}, "neck of levels 3 to 1000000; expected two or more levels from 0 to 12"),
            ({"levels": [7, 3]}, "neck of levels 7 to 3"),
            ({"levels": [3, 6]}, "merging cell 1 reads 1 and 5; expected two different features from 0 to 4"),
            ({"levels": [2, 6]}, "merging cell 5 has level 7; expected 2 to 6"),
            ({"merges": []}, "neck of 0 merging cells; expected 5 to 12"),
            ({"merges": [1]}, r"merges\[0\] is 1; expected dict"),
            ({"merges": 20 * [{"level": 3, "op": "sum", "inputs": [0, 1]}]}, "neck of 20 merging cells; expected 5"),
            ({"merges": 6 * [{"level": 3, "op": "sum", "inputs": [0, 1]}]}, "have levels 3, 3, 3, 3, 3; expected each"),
            ({"merges": 6 * [{"level": 8, "op": "sum", "inputs": [0, 1]}]}, "merging cell 0 has level 8; expected 3"),
            ({"merges": 6 * [{"level": 3, "op": "max", "inputs": [0, 1]}]}, "cell 0: operation 'max'; expected sum or"),
            ({"merges": 6 * [{"level": 3, "op": "sum", "inputs": [1, 1]}]}, "merging cell 0 reads 1 and 1"),
            ({"merges": 6 * [{"level": 3, "op": "sum", "inputs": [1, -1]}]}, "merging cell 0 reads 1 and -1"),
            ({"merges": 6 * [{"level": 3, "op": "sum", "inputs": [1, "0"]}]}, r"merges\[0\].inputs\[1\] is \"0\""),
            ({"merges": 6 * [{"level": True, "op": "sum", "inputs": [0, 1]}]}, r"merges\[0\].level is true"),
        ],
    )
    def test_malformed_documents_are_one_line_that_tells_where(self, changes: dict[str, object], message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            from_json(to_json(NAS_FPN) | changes)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("numbers", "message"),
        [
            (RELEASED[:-1], "neck of 27 numbers; expected 4 for each merging cell"),
            ([3, 2, *RELEASED[2:]], "merging cell 0: operation 2; expected 0, sum, or 1, attention"),
            ([5, *RELEASED[1:]], "merging cell 0 has level 2; expected 3 to 7"),
            (RELEASED[:16], "expected dict"),
        ],
    )
    def test_numbers_that_are_no_neck(self, numbers: list[int], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            from_json(numbers)

    def test_other_levels_are_not_written_in_the_authors_notation(self) -> None:
        merges = tuple(replace(merge, level=merge.level - 1) for merge in NAS_FPN.merges)
        with pytest.raises(UsageError, match="neck of levels 2 to 6 cannot be told in the released code's notation"):
            to_released(MergingNeck(merges, 2, 6))


def test_what_the_space_does_not_offer_is_told() -> None:
    with pytest.raises(UsageError, match="neck of 7 merging cells, levels 3 to 7; the space has 6, levels 3 to 7"):
        nas_fpn(6).encode(NAS_FPN)
    for merges in (4, 13):
        with pytest.raises(UsageError, match=f"--merges={merges}: expected 5 to 12"):
            nas_fpn(merges)
