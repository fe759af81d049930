"""Who is trained on, held out and left for the final test."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.child.data import splits
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.splits import (
    TEST,
    TRAIN,
    UNUSED,
    VALID,
    assign_roles,
    nearest_sum,
    with_found_split,
    without_test,
)
from rl_nas.child.data.splits import test_split as final_split
from rl_nas.errors import UsageError

RNG = np.random.default_rng(0)


class Named:
    """A data set of which only sizes and names are known."""

    name, features, supervised, upright, remarks = "named", {}, (), False, ()

    def __init__(self, sizes: dict[str, int], names: Sequence[str] | None = None) -> None:
        self.sizes, self._names = sizes, names

    def names(self, split: str) -> Sequence[str] | None:
        return self._names


def roles(examples: Any, **settings: Any) -> np.ndarray:
    return assign_roles(examples, DataSettings(dataset="named", **settings)).of["train"]


def members(found: np.ndarray, role: int) -> set[int]:
    return set(np.flatnonzero(found == role).tolist())


def refusal(examples: Any, **settings: Any) -> str:
    with pytest.raises(UsageError) as raised:
        assign_roles(examples, DataSettings(dataset="named", **settings))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_without_groups_the_division_is_that_of_version_0_1() -> None:
    for seed in range(20):
        total = int(RNG.integers(20, 300))
        held_out, train = int(RNG.integers(0, total // 2)), int(RNG.integers(1, total // 2))
        order = np.random.default_rng(seed).permutation(total)
        found = roles(Named({"train": total}), split_seed=seed, valid_images=held_out, train_images=train)
        assert members(found, VALID) == set(order[:held_out].tolist())
        assert members(found, TRAIN) == set(order[held_out : held_out + train].tolist())
        assert len(members(found, UNUSED)) == total - held_out - train


def test_a_split_that_is_held_out_leaves_all_of_train_to_train_on() -> None:
    examples, settings = Named({"train": 30, "validation": 10, "test": 5}), DataSettings(valid_split="validation")
    found, remarks = assign_roles(examples, settings)
    assert (set(found["train"]), set(found["validation"]), remarks) == ({TRAIN}, {VALID}, ())
    assert len(members(roles(examples, valid_split="validation", train_images=7), TRAIN)) == 7


def test_a_split_that_is_held_out_is_not_the_final_test() -> None:
    def final(name: str = "named", **settings: Any) -> str:
        sizes = {"train": 30, "validation": 10, "test": 5}
        return final_split(name, sizes, DataSettings(**settings))

    assert final() == "test"
    assert final(valid_split="validation") == "test"
    assert final(valid_split="test") == "validation"
    assert final(test_fraction=0.1) == "test"
    assert final("imagenet2012") == "validation"
    for name in ("validation", "val", "valid"):
        sizes, settings = {"train": 30, name: 10}, DataSettings(valid_split=name)
        assert final_split("named", sizes, DataSettings()) == name
        assert final_split("named", sizes, settings) is None
        told = without_test(sizes, settings)
        assert f"has train, {name}, of which {name} is held out by --valid_split" in told
        assert "--test_fraction" in told
    assert "of which" not in without_test({"train": 30}, DataSettings())


def test_the_validation_split_is_found_by_any_of_its_names() -> None:
    settings = DataSettings(valid_split="validation")
    assert with_found_split(settings, {"train": 9, "val": 3}).valid_split == "val"
    assert with_found_split(settings, {"train": 9, "valid": 3, "test": 2}).valid_split == "valid"
    assert with_found_split(settings, {"train": 9, "val": 3, "validation": 3}) == settings
    for sizes in ({"train": 9, "val": 3, "valid": 3}, {"train": 9, "test": 3}):  # not clear which, or none
        assert with_found_split(settings, sizes) == settings
    assert with_found_split(DataSettings(valid_split="dev"), {"train": 9, "val": 3}).valid_split == "dev"


def numbered(count: int) -> list[str]:
    return [f"frame{number}.png" for number in range(count)]


def test_the_test_part_is_the_same_whatever_else_is_asked_for() -> None:
    """What a search never saw, a training without held-out images must not mistake for anything else."""
    examples, ways = (
        Named({"train": 200}, numbered(200)),
        ({}, {"valid_images": 0}, {"valid_images": 60, "train_images": 9}),
    )
    for groups in ({}, {"group_size": 4}):
        found = [roles(examples, test_fraction=0.2, split_seed=3, **groups, **way) for way in ways]
        parts = [members(one, TEST) for one in found]
        assert parts[0] == parts[1] == parts[2]
        assert len(parts[0]) == 40
        assert not members(found[0], VALID) & members(found[1], TEST)
        assert parts[0] != members(roles(examples, test_fraction=0.2, split_seed=4, **groups), TEST)


@pytest.mark.parametrize("seed", range(10))
def test_groups_stay_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    films = rng.integers(0, 25, 300)
    names = [f"film{film}/frame{number}.png" for number, film in enumerate(films)]
    found = roles(Named({"train": 300}, names), group_by="film([0-9]+)/", test_fraction=0.2, split_seed=seed)
    for film in range(25):
        assert len(set(found[films == film])) == 1
    assert set(found) == {TRAIN, VALID, TEST}
    whole = roles(Named({"train": 300}, names), group_by="film[0-9]+", test_fraction=0.2, split_seed=seed)
    np.testing.assert_array_equal(found, whole)  # the first group, or the whole match


def test_runs_of_frames_stay_together_in_the_order_of_their_names() -> None:
    numbers = RNG.permutation(100)
    found = roles(Named({"train": 100}, [f"frame{number}.png" for number in numbers]), group_size=10)
    in_order = found[np.argsort(numbers)].reshape(10, 10)
    assert all(len(set(run)) == 1 for run in in_order)
    assert len(members(found, VALID)) == 10


@pytest.mark.parametrize("flag", [{"group_by": "a"}, {"group_size": 10}])
def test_images_without_names_are_not_grouped(flag: dict[str, Any]) -> None:
    """Prepared data sets are stored in a random order."""
    with pytest.raises(UsageError, match=r"the examples of .* have no names, and are stored in a random order"):
        roles(Named({"train": 100}), **flag)


def test_a_part_of_the_images_to_train_on_is_spread_over_all_groups() -> None:
    examples = Named({"train": 1000}, numbered(1000))
    found = roles(examples, group_size=10, train_images=100).reshape(100, 10)
    assert (found == TRAIN).sum() == 100
    assert np.any(found == TRAIN, axis=1).sum() > 50


def test_counts_in_whole_groups_are_the_nearest_and_are_told() -> None:
    examples = Named({"train": 367}, numbered(367))
    found, remarks = assign_roles(examples, DataSettings(group_size=30, test_fraction=0.1))
    # 37 are asked for, twice: a run of 30 and the last one, of 7, which is there once.
    assert (len(members(found["train"], TEST)), len(members(found["train"], VALID))) == (37, 30)
    assert remarks == ("held out: 30 images, the nearest to 37 in whole groups",)
    found, remarks = assign_roles(examples, DataSettings(group_size=100, valid_images=40))
    assert remarks == ("held out: 67 images, the nearest to 40 in whole groups",)


def test_the_nearest_sum_is_that_of_all_subsets() -> None:
    for _ in range(200):
        sizes = RNG.integers(1, 20, int(RNG.integers(1, 9)))
        target = int(RNG.integers(1, 60))
        chosen = nearest_sum(sizes, target)
        assert len(set(chosen)) == len(chosen) > 0
        subsets = itertools.chain.from_iterable(itertools.combinations(sizes, n) for n in range(1, len(sizes) + 1))
        assert abs(int(sizes[chosen].sum()) - target) == min(abs(sum(subset) - target) for subset in subsets)
    assert nearest_sum([3, 4], 0) == nearest_sum([], 5) == []


def plainly(sizes: Sequence[int], target: int) -> list[int]:
    """What `nearest_sum` chooses, by a table of all sums for each number."""
    limit = max(2 * target, min(sizes))
    last: list[int | None] = [-1, *[None] * limit]
    for place, size in enumerate(sizes):
        if last[target] is not None:
            break
        reached = [total for total in range(size, limit + 1) if last[total - size] is not None and last[total] is None]
        for total in reached:
            last[total] = place
    sums = [total for total in range(1, limit + 1) if last[total] is not None]
    total, chosen = min(sums, key=lambda one: (abs(one - target), one)), []
    while total:
        place = last[total]
        assert place is not None
        chosen.append(place)
        total -= sizes[place]
    return chosen


@given(
    st.lists(st.one_of(st.sampled_from((2, 4, 6)), st.integers(1, 40)), min_size=1, max_size=40), st.integers(1, 120)
)
def test_runs_hold_out_what_they_always_did(sizes: list[int], target: int) -> None:
    assert nearest_sum(sizes, target) == plainly(sizes, target)


def test_many_equal_groups_cost_no_table_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """An odd number is no sum of pairs: all 100,000 are looked at, but only as many as fit below the limit change."""
    calls = []
    monkeypatch.setattr(splits, "_bits", lambda number: calls.append(number.bit_count()) or [number.bit_length() - 1])
    assert len(nearest_sum([2] * 100_000, 4001)) == 2000
    assert calls == [1] * 4001


def test_what_cannot_be_divided_so_is_one_line() -> None:
    names = [f"a{number}" for number in range(9)]
    assert "has splits train, val; expected one of them" in refusal(Named({"train": 9, "val": 3}), valid_split="dev")
    assert "has splits test; expected one named train" in refusal(Named({"test": 9}))
    assert "has a test split" in refusal(Named({"train": 9, "test": 3}), test_fraction=0.2)
    assert "have no names" in refusal(Named({"train": 9}), group_by="a")
    assert "does not match a0" in refusal(Named({"train": 9}, names), group_by="b")
    assert "in whole groups" in refusal(Named({"train": 9}, names), group_by="a")
    assert "too many" in refusal(Named({"train": 9}), test_fraction=0.5, valid_images=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"valid_split": "train"}, "that split is trained on"),
        ({"valid_split": "val", "valid_images": 3}, "--valid_images=3 both say"),
        ({"valid_split": "val", "valid_images": 0}, "--valid_images=0 both say"),
        ({"valid_split": "val", "valid_fraction": 0.2}, "--valid_fraction=0.2 both say"),
        ({"valid_split": "val", "group_size": 3}, "groups have no effect"),
        ({"group_by": "a", "group_size": 3}, "both say what stays together"),
        ({"group_by": "("}, "not a regular expression"),
        ({"stratify": "yes", "group_by": "a"}, "groups of --group_by stay whole"),
        ({"stratify": "yes", "group_size": 3}, "groups of --group_size stay whole"),
        ({"test_fraction": 0}, "> 0"),
        ({"group_size": 1}, ">= 2"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DataSettings(**settings)
