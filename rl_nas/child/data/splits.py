"""Which examples are trained on, held out for the reward, and left for the final test. No TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.strata import Strata
from rl_nas.errors import UsageError

if TYPE_CHECKING:
    from rl_nas.child.data.examples import Examples

UNUSED, TRAIN, VALID, TEST = 0, 1, 2, 3
"""Roles of examples."""

VALIDATION_SPLITS = ("validation", "val", "valid")
"""Names of one split."""
TEST_SPLITS = ("test", *VALIDATION_SPLITS)


class Roles(NamedTuple):
    """The roles of the examples.

    Attributes:
        of: int8 [examples] for `train` and, if that is held out, for another split.
        remarks: lines for the user.
    """

    of: dict[str, np.ndarray]
    remarks: tuple[str, ...]


def with_found_split(settings: DataSettings, sizes: Mapping[str, int]) -> DataSettings:
    """The settings with the held-out split by the name that it has: `val` and `valid` are found as `validation` too."""
    if settings.valid_split in VALIDATION_SPLITS and not sizes.get(settings.valid_split):
        found = [name for name in VALIDATION_SPLITS if sizes.get(name)]
        if len(found) == 1:
            return replace(settings, valid_split=found[0])
    return settings


def takes_from_train(settings: DataSettings) -> bool:
    """Whether a part of the training split is held out, left for the final test, or not used."""
    held_out = settings.valid_split is None and settings.valid_images != 0
    return held_out or settings.test_fraction is not None or settings.train_images is not None


def wanted(settings: DataSettings, total: int) -> tuple[int, int]:
    """How many of the examples of the training split are to be held out for the reward, and left for the final test."""
    test = 0 if settings.test_fraction is None else max(1, round(settings.test_fraction * total))
    if settings.valid_split is not None:
        return 0, test
    if settings.valid_images is not None:
        return settings.valid_images, test
    return max(1, round(settings.valid_fraction * total)), test


def assign_roles(examples: Examples, settings: DataSettings, labels: np.ndarray | None = None) -> Roles:
    """Gives every example of the training split a role; a function of the settings, `split_seed` among them.

    The test part depends on neither the held-out part nor on the images that are trained on: a search and a training
    leave the same ones for the end. Without groups the order is one permutation of all examples.

    Args:
        examples: of the data set.
        settings: how they are divided.
        labels: classes of the training examples, int [examples], each of which gives the same fraction; None: examples
            are taken whatever their class.

    Raises:
        UsageError: a split is absent, or too small for the settings.
    """
    _check_splits(examples, settings)
    total = examples.sizes["train"]
    groups = _groups(examples, settings, total)
    rng = np.random.default_rng(settings.split_seed)
    order = rng.permutation(total if groups is None else int(groups.max()) + 1)
    units = _Units(order, groups, rng) if labels is None else Strata(order, labels)
    wanted_valid, wanted_test = wanted(settings, total)
    test = units.take(wanted_test, last=True)
    valid = units.take(wanted_valid)
    left = len(units.examples(units.left))
    train = settings.train_images or left
    if train < 1 or train > left:
        raise UsageError(_too_many(settings, total, train, wanted_valid + wanted_test))
    roles = np.full(total, UNUSED, np.int8)
    roles[units.train(train)] = TRAIN
    roles[valid], roles[test] = VALID, TEST
    of = {"train": roles}
    if settings.valid_split is not None:
        of[settings.valid_split] = np.full(examples.sizes[settings.valid_split], VALID, np.int8)
    found = (("held out", wanted_valid, len(valid)), ("left for the final test", wanted_test, len(test)))
    remarks = (f"{name}: {got:,} images, the nearest to {n:,} in whole groups" for name, n, got in found if n != got)
    return Roles(of, tuple(remarks))


def test_split(name: str, sizes: Mapping[str, int], settings: DataSettings) -> str | None:
    """The name of the split for the final measurement; None: there is none.

    It is the first of `test`, `validation`, `val` and `valid` that there is and that is not held out for the reward.

    Args:
        name: of the data set; the test split of imagenet2012 is secret.
        sizes: number of examples of every split.
        settings: how the data set is split.
    """
    if settings.test_fraction is not None:
        return "test"
    for split in reversed(TEST_SPLITS) if name == "imagenet2012" else TEST_SPLITS:
        if sizes.get(split) and split != settings.valid_split:
            return split
    return None


def without_test(sizes: Mapping[str, int], settings: DataSettings) -> str:
    """What is told where there is no split for the final measurement."""
    held_out = f", of which {settings.valid_split} is held out by --valid_split" if settings.valid_split else ""
    return (
        f"no final measurement: --dataset={settings.dataset} has {', '.join(sizes)}{held_out}; expected a split"
        f" {', '.join(TEST_SPLITS)} besides; --test_fraction leaves a part of the training split for it"
    )


class _Units:
    """Examples in units that stay together, in a random order: groups, or single examples."""

    def __init__(self, order: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> None:
        self.left, self._groups, self._rng = order, groups, rng
        self._sizes = None if groups is None else np.bincount(groups)

    def take(self, count: int, last: bool = False) -> np.ndarray:
        """Takes the first (or last) units whose examples come nearest to a count, and returns the examples."""
        left = self.left[::-1] if last else self.left
        if self._sizes is None:
            chosen = np.arange(len(left)) < count
        else:
            chosen = np.isin(np.arange(len(left)), nearest_sum(self._sizes[left], count))
        rest = left[~chosen]
        self.left = rest[::-1] if last else rest
        return self.examples(left[chosen])

    def examples(self, units: np.ndarray) -> np.ndarray:
        """The numbers of the examples of units."""
        if self._groups is None:
            return units
        place = np.full(int(self._groups.max()) + 1, -1)
        place[units] = np.arange(len(units))
        places = place[self._groups]
        return np.argsort(places, kind="stable")[np.count_nonzero(places < 0) :]

    def train(self, count: int) -> np.ndarray:
        """The numbers of examples to train on; some of all groups, if not all are."""
        left = self.examples(self.left)
        return left[:count] if self._groups is None or count == len(left) else self._rng.permutation(left)[:count]


def nearest_sum(sizes: Sequence[int] | np.ndarray, target: int) -> list[int]:
    """Places of some numbers whose sum is nearest to a target; of two sums the smaller one, and of the first places.

    Args:
        sizes: numbers above 0.
        target: if above 0, at least one place is returned if there is one.
    """
    if not target or not len(sizes):
        return []
    numbers = np.asarray(sizes).tolist()
    limit = max(2 * target, min(numbers))  # any larger sum is farther away
    sums, within = 1, (1 << limit + 1) - 1  # bit n: whether there is a sum n
    last = np.full(limit + 1, -1)  # the place of the last number of the first way found to each sum
    idle: set[int] = set()  # numbers that add no sum to those that there are
    for place, size in enumerate(numbers):
        if last[target] >= 0:
            break
        if size > limit or size in idle:
            continue
        if new := (sums << size) & within & ~sums:
            sums |= new
            last[_bits(new)] = place
            idle.clear()
        else:
            idle.add(size)
    found = np.flatnonzero(last >= 0)
    total, chosen = int(found[np.argmin(np.abs(found - target))]), []
    while total:
        chosen.append(int(last[total]))
        total -= numbers[chosen[-1]]
    return chosen


def _bits(number: int) -> np.ndarray:
    """The places of the bits of a number that are set."""
    lowest = (number & -number).bit_length() - 1
    number >>= lowest
    packed = np.frombuffer(number.to_bytes(number.bit_length() // 8 + 1, "little"), np.uint8)
    return lowest + np.flatnonzero(np.unpackbits(packed, bitorder="little"))


def _check_splits(examples: Examples, settings: DataSettings) -> None:
    sizes, name, valid = examples.sizes, settings.dataset, settings.valid_split
    splits = ", ".join(sizes)
    if not sizes.get("train"):
        raise UsageError(f"--dataset={name} has splits {splits}; expected one named train")
    if valid is not None and not sizes.get(valid):
        raise UsageError(f"--valid_split={valid}: {name} has splits {splits}; expected one of them, not train")
    if settings.test_fraction is not None and sizes.get("test"):
        raise UsageError(f"--test_fraction={settings.test_fraction:g}, but {name} has a test split; leave it out")


def _groups(examples: Examples, settings: DataSettings, total: int) -> np.ndarray | None:
    """The group of every training example, numbers from 0; None: no examples belong together."""
    if settings.group_by is None and settings.group_size is None:
        return None
    names = examples.names("train")
    if names is None:
        flag = "group_by" if settings.group_by is not None else "group_size"
        raise UsageError(
            f"--{flag}: the examples of {settings.dataset} have no names, and are stored in a random order; leave it"
            " out, or give the images as a folder"
        )
    if settings.group_size is not None:
        groups = np.empty(total, np.int64)
        groups[_natural_order(names)] = np.arange(total) // settings.group_size
        return groups
    assert settings.group_by is not None
    pattern, keys = re.compile(settings.group_by), []
    for name in names:
        match = pattern.search(name)
        if match is None or (key := match[1 if pattern.groups else 0]) is None:
            raise UsageError(f"--group_by={settings.group_by} does not match {name}; expected a match in every name")
        keys.append(key)
    return np.unique(keys, return_inverse=True)[1]


def _natural_order(names: Sequence[str]) -> np.ndarray:
    """The order of names, in which frame10 follows frame9."""
    parts = [[_by_value(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)] for name in names]
    return np.array(sorted(range(len(names)), key=parts.__getitem__))


def _by_value(digits: str) -> tuple[int, str]:
    """A sort key of whole numbers of any length."""
    digits = digits.lstrip("0")
    return len(digits), digits


def _too_many(settings: DataSettings, total: int, train: int, apart: int) -> str:
    counts = f"{settings.dataset} has {total} training images; {train} to train on and {apart} held out are too many"
    if settings.group_by is None and settings.group_size is None:
        return f"{counts}: lower --train_images or --valid_images"
    return f"{counts} in whole groups: lower --train_images, --valid_images or --group_size, or --group_by smaller ones"
