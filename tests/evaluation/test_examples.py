"""Which held-out images are shown."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rl_nas.evaluation.examples import Examples, find_examples
from rl_nas.tasks.display import Display, Key, Outputs, Shown

PIXELS = np.zeros([2, 2, 1], np.uint8)


class Numbers(Display):
    """Shows the target; its quality is what the network gives, unknown if that is not a number."""

    def quality(self, target: Any, outputs: Outputs) -> float | None:
        return None if np.isnan(outputs["quality"]) else float(outputs["quality"])

    def show(self, image: np.ndarray, target: Any, outputs: Outputs) -> Shown:
        return Shown(str(target), {"image": image}, frozenset({Key(target % 3, "rest", (0, 0, 0))}))


def found(qualities: np.ndarray, batch: int = 5, seed: int = 0, display: Display | None = None) -> Examples | None:
    """Of images whose target is their place."""
    given = iter(np.array_split(qualities, range(batch, len(qualities), batch)))

    def batches() -> Iterator[tuple[np.ndarray, list[int]]]:
        for start in range(0, len(qualities), batch):
            places = list(range(start, min(start + batch, len(qualities))))
            yield np.stack([PIXELS] * len(places)), places

    return find_examples(
        display or Numbers(()), lambda images: {"quality": next(given)}, batches(), len(qualities), seed
    )


def places(examples: Examples | None) -> list[list[int]]:
    assert examples is not None
    return [[int(shown.caption) for shown in group] for group in examples.groups.values()]


@pytest.mark.parametrize("seed", range(20))
def test_the_worst_ones_and_random_others_are_shown(seed: int) -> None:
    rng = np.random.default_rng(seed)
    qualities = rng.choice([0.1, 0.2, 0.3, 0.4, np.nan], int(rng.integers(9, 60)), p=[0.1, 0.1, 0.1, 0.6, 0.1])
    worst, random = places(found(qualities, batch=int(rng.integers(1, 9)), seed=seed))
    expected = [place for place in np.argsort(qualities, kind="stable") if not np.isnan(qualities[place])]
    assert worst == expected[:4]
    assert len(set(random)) == 4
    assert not set(random) & set(worst)
    assert random == sorted(random)


def test_they_may_be_the_worst_of_more_images() -> None:
    listed = [(np.stack([PIXELS] * 9), list(range(9)))]
    examples = find_examples(Numbers(()), lambda images: {"quality": np.arange(9.0)}, listed, 9, 0, among=5000)
    assert places(examples)[0] == [0, 1, 2, 3]
    assert examples is not None
    assert list(examples.groups) == ["The worst of 5,000", "Random ones"]


def test_the_choice_is_a_function_of_the_seed() -> None:
    qualities = np.linspace(0, 1, 50)
    assert places(found(qualities, batch=3)) == places(found(qualities, batch=50))
    assert len({tuple(places(found(qualities, seed=seed))[1]) for seed in range(10)}) > 5


@pytest.mark.parametrize("count", [1, 3, 4, 5, 7])
def test_few_images_are_all_shown_once(count: int) -> None:
    assert sorted(place for group in places(found(np.linspace(0, 1, count))) for place in group) == list(range(count))


def test_legends_hold_the_colors_of_the_images_that_are_shown() -> None:
    examples = found(np.linspace(0, 1, 30))
    assert examples is not None
    assert [key.number for key in examples.legend] == sorted(
        {place % 3 for group in places(examples) for place in group}
    )


def test_a_task_that_shows_nothing_has_no_examples() -> None:
    assert found(np.ones(10), display=Display(())) is None
    assert found(np.ones(0)) is None
