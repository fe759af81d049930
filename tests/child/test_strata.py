"""Of each class the same fraction is held out, as far as counts allow."""

import itertools
from typing import Any

import numpy as np
import pytest
from classifying import image_source

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.splits import TEST, TRAIN, UNUSED, VALID, assign_roles
from rl_nas.child.data.strata import apportioned
from rl_nas.child.data.tfds_data import open_tfds

RNG = np.random.default_rng(0)


class Sized:
    """A data set of which only the sizes of its splits are known."""

    name, features, supervised, upright, remarks = "sized", {}, (), False, ()

    def __init__(self, total: int) -> None:
        self.sizes = {"train": total}

    def names(self, split: str) -> None:
        return None


def roles(labels: np.ndarray | None, total: int | None = None, **settings: Any) -> np.ndarray:
    total = len(labels) if labels is not None else total or 0
    return assign_roles(Sized(total), DataSettings(dataset="sized", **settings), labels).of["train"]  # type: ignore[arg-type]


def counts(labels: np.ndarray, found: np.ndarray, role: int) -> np.ndarray:
    return np.bincount(labels[found == role], minlength=labels.max() + 1)


def labels_of(sizes: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def test_each_class_gives_the_same_fraction() -> None:
    labels = labels_of([100, 50, 20, 10])
    found = roles(labels, valid_fraction=0.1, test_fraction=0.2)
    assert counts(labels, found, VALID).tolist() == [10, 5, 2, 1]
    assert counts(labels, found, TEST).tolist() == [20, 10, 4, 2]
    assert np.count_nonzero(found == TRAIN) == 180 - 18 - 36


@pytest.mark.parametrize("seed", range(10))
def test_shares_are_off_by_less_than_one_image_and_no_class_is_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, int(rng.integers(2, 15))).tolist()
    labels, total = labels_of(sizes, seed), sum(sizes)
    large = [number for number, size in enumerate(sizes) if size > 1]
    valid = int(rng.integers(len(large), total // 2 + len(large)))
    found = roles(labels, valid_images=min(valid, total - len(sizes)), split_seed=seed)
    held_out = counts(labels, found, VALID)
    assert held_out.sum() == np.count_nonzero(found == VALID)
    assert all(held_out[number] >= 1 for number in large)
    assert all(held_out[number] < sizes[number] for number in range(len(sizes)))  # each is trained on, too
    exact = held_out.sum() * np.array(sizes) / total
    lifted = (held_out == 1) & (exact < 1)
    assert np.all(held_out[~lifted] - exact[~lifted] < 1)


def test_classes_of_few_images_are_trained_on_first() -> None:
    """One image is trained on, of two one is held out, and only of three one is left for the test."""
    labels = labels_of([1, 2, 3, 94])
    found = roles(labels, valid_images=10, test_fraction=0.1)
    assert counts(labels, found, TRAIN).tolist() == [1, 1, 1, 77]
    assert counts(labels, found, VALID).tolist() == [0, 1, 1, 8]
    assert counts(labels, found, TEST).tolist() == [0, 0, 1, 9]


def test_fewer_held_out_images_than_classes_come_from_any_of_them() -> None:
    """Which of equal classes is a matter of the seed, not of their order."""
    labels = labels_of([10] * 20)
    chosen = [
        np.flatnonzero(counts(labels, roles(labels, valid_images=5, split_seed=seed), VALID)) for seed in range(20)
    ]
    assert all(len(one) == 5 for one in chosen)
    assert len(np.unique(np.concatenate(chosen))) > 15


def test_the_split_seed_says_which_and_nothing_else_does() -> None:
    labels = labels_of([40, 30, 30])
    first, again, other = (roles(labels, valid_images=20, split_seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert counts(labels, first, VALID).tolist() == counts(labels, other, VALID).tolist()


def test_the_test_part_is_the_same_whatever_else_is_asked_for() -> None:
    labels = labels_of([60, 30, 7, 3])
    ways = ({}, {"valid_images": 0}, {"valid_images": 40, "train_images": 9})
    tests = [np.flatnonzero(roles(labels, test_fraction=0.2, **way) == TEST).tolist() for way in ways]
    assert tests[0] == tests[1] == tests[2]
    assert len(tests[0]) == 20


def test_a_part_to_train_on_has_all_classes() -> None:
    labels = labels_of([100, 60, 40, 2])
    found = roles(labels, valid_images=20, train_images=20)
    assert counts(labels, found, TRAIN).min() >= 1
    assert np.count_nonzero(found == TRAIN) == 20
    assert np.count_nonzero(found == UNUSED) == 202 - 40


def test_counts_are_exact_and_the_nearest_to_proportions() -> None:
    """Among all ways to share a count, none is nearer in its sum of distances."""
    for _ in range(50):
        sizes = RNG.integers(2, 6, 3)
        count = int(RNG.integers(3, sizes.sum() - 2))
        found = apportioned(count, sizes, 1, np.arange(3))
        exact = count * sizes / sizes.sum()
        ways = [
            way
            for way in itertools.product(*(range(1, size) for size in sizes))
            if sum(way) == min(count, int((sizes - 1).sum()))
        ]
        if sum(found) <= (sizes - 1).sum():
            assert abs(found - exact).sum() <= min(abs(np.array(way) - exact).sum() for way in ways) + 1e-9
        assert found.sum() == count
    assert apportioned(9, np.array([2, 3]), 1, np.arange(2)).tolist() == [2, 3]  # all that there are
    assert apportioned(0, np.array([2, 3]), 1, np.arange(2)).tolist() == [0, 0]


def test_without_strata_images_are_those_of_earlier_runs() -> None:
    labels = labels_of([40, 30, 30])
    order = np.random.default_rng(3).permutation(100)
    assert set(np.flatnonzero(roles(None, 100, valid_images=20, split_seed=3) == VALID)) == set(order[:20])
    assert set(np.flatnonzero(roles(labels, valid_images=20, split_seed=3) == VALID)) != set(order[:20])


def test_classes_of_a_prepared_set_are_those_of_its_examples() -> None:
    examples = open_tfds(DataSettings("digits"))
    for split in ("train", "test"):
        found = examples.labels(split, "label")
        read = {int(number): int(example["label"]) for number, example in examples.read(split)}
        assert found is not None
        assert found.tolist() == [read[number] for number in range(len(read))]


def test_digits_are_stratified_unless_it_is_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = open_tfds(DataSettings("digits")).labels("train", "label")
    assert labels is not None
    sizes = np.bincount(labels)

    def held_out(**settings: Any) -> tuple[str, np.ndarray, tuple[str, ...]]:
        source = image_source(DataSettings("digits", valid_images=300, **settings))
        return source.settings.stratify, np.bincount(labels[source.roles["train"] == VALID]), source.remarks

    for given in ("auto", "yes"):
        resolved, found, told = held_out(stratify=given)
        assert (resolved, told) == ("yes", ())
        assert np.abs(found - sizes / 5).max() < 1
    resolved, found, told = held_out(stratify="no")
    assert (resolved, told) == ("no", ())
    assert np.abs(found - sizes / 5).max() > 1
    # Of too many examples classes are not read before the images are.
    monkeypatch.setattr("rl_nas.child.data.tfds_data._MOST_LABELS", 1000)
    resolved, again, told = held_out()
    assert resolved == "no"
    np.testing.assert_array_equal(again, found)
    assert told == ("images of digits are held out whatever their class: classes are not to be had without the images",)
    with pytest.raises(Exception, match="--stratify=yes: the classes of images of digits are not to be had"):
        held_out(stratify="yes")
