"""The weights of the best child stay until a better one is recorded, and are those that were measured."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.best_child import KEPT, VALID, BestChild, ChildWeights, classes_of
from rl_nas.store.class_results import ClassCounts, ClassResults, parse_class_results
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Job, Measurement, Trial, TrialState

SPACE = nasnet(1)
ARCHITECTURE = (0,) * len(SPACE.decisions)


class Variable:
    path = "kernel"

    def __init__(self, value: float) -> None:
        self.value = value

    def numpy(self) -> np.ndarray:
        return np.array(self.value)

    def assign(self, value: np.ndarray) -> None:
        self.value = float(value)


class Model:
    def __init__(self, value: float = 0.0) -> None:
        self.weights = [Variable(value)]


class KilledError(BaseException):
    """The process ended."""


@pytest.fixture
def folder(tmp_path: Path) -> SearchFolder:
    made = SearchFolder(tmp_path)
    for path in made.folders:
        path.mkdir()
    return made


def trial(index: int, reward: float) -> Trial:
    return Trial(index, ARCHITECTURE, TrialState.OK, reward, Measurement(reward))


def searched(
    folder: SearchFolder, trained: Sequence[tuple[int, float, int | None]], recorded: Sequence[tuple[int, float]]
) -> BestChild:
    """The best child of trials that one process trained (number, reward, epochs) and that were recorded afterwards."""
    keep = ChildWeights(folder, lambda measurement: measurement.quality).keep
    for index, reward, epochs in trained:
        classes = ClassResults("images", (ClassCounts("all", index),))
        keep(Job(index, ARCHITECTURE, 0, epochs=epochs), Measurement(reward), Model(reward), classes)
    best = BestChild(folder, SPACE.decode)
    for index, reward in recorded:
        best.follow(trial(index, reward))
    return best


def loaded(best: BestChild) -> float:
    model = Model()
    best.load_weights(model)
    return model.weights[0].value


def test_of_equal_children_the_earlier_keeps_its_weights_whichever_was_trained_first(folder: SearchFolder) -> None:
    best = searched(folder, [(3, 0.5, None), (2, 0.5, None)], [(3, 0.5), (2, 0.5)])  # the second attempt of 2
    assert best.weights.name == "2.weights.npz"
    kept = [f"{number}.{what}" for number in (2, 3) for what in ("classes.json", "weights.npz")]
    assert sorted(path.name for path in folder.children.iterdir()) == kept
    path = classes_of(folder, 2)
    assert parse_class_results(path.read_text(), path)[VALID].classes[0].actual == 2
    keep = ChildWeights(folder, lambda measurement: measurement.quality).keep
    keep(Job(2, ARCHITECTURE, 0), Measurement(0.5), Model())  # of another attempt, which tells none
    assert not path.exists()
    best.restore([trial(4, 0.6)])
    assert not any(folder.children.iterdir())


@pytest.mark.parametrize("second", [0.6, 0.4])
def test_a_child_that_is_trained_on_has_the_weights_of_its_last_epoch(folder: SearchFolder, second: float) -> None:
    """Halving: a child is compared by what it has in the end, though it or another was better on the way."""
    best = searched(folder, [(0, 0.7, 1), (1, 0.5, 1), (0, 0.3, 2), (1, second, 2)], [(0, 0.3), (1, second)])
    assert best.weights.name == "1.weights.npz"
    assert loaded(best) == second
    best = searched(folder, [(2, 0.8, 1), (2, 0.7, 2)], [(1, second), (2, 0.7)])
    assert loaded(best) == 0.7


def test_the_model_of_an_earlier_best_is_gone_at_once(folder: SearchFolder) -> None:
    """A search that is killed while it deletes the model leaves none that is half there."""
    best, model = BestChild(folder, SPACE.decode), folder.best / "saved_model"
    best.follow(trial(0, 0.5))
    before = (folder.best / "genotype.json").read_bytes()
    (model / "variables").mkdir(parents=True)
    delete = shutil.rmtree

    def killed(path: Path, ignore_errors: bool) -> None:
        if os.path.exists(path):
            os.rmdir(path / "variables")
            raise KilledError
        delete(path, ignore_errors=ignore_errors)

    with mock.patch("shutil.rmtree", killed), pytest.raises(KilledError):
        best.follow(trial(1, 0.6))
    assert not model.exists()
    assert (folder.best / "genotype.json").read_bytes() == before
    BestChild(folder, SPACE.decode).restore([trial(0, 0.5), trial(1, 0.6)])
    assert [path.name for path in folder.best.iterdir()] == ["genotype.json"]


def test_a_best_child_that_is_met_again_keeps_its_weights(folder: SearchFolder) -> None:
    best = BestChild(folder, SPACE.decode)
    for reward in (0.5, 0.7):
        index = round(10 * reward)
        (folder.children / f"{index}.weights.npz").touch()
        best.follow(trial(index, reward))
        best.follow(replace(trial(index, reward), cached=True))
    assert best.weights.exists()
    assert sorted(path.name for path in folder.children.iterdir()) == ["5.weights.npz", "7.weights.npz"]


def test_the_weights_of_the_best_few_are_kept_in_whatever_order_they_come(folder: SearchFolder) -> None:
    rewards = np.random.default_rng(0).permutation(3 * KEPT) / 100
    best = searched(folder, [(i, r, None) for i, r in enumerate(rewards)], list(enumerate(rewards)))
    top = {f"{index}.weights.npz" for index in np.argsort(-rewards)[:KEPT]}
    assert {path.name for path in folder.children.glob("*.npz")} == top
    best.follow(Trial(3 * KEPT, ARCHITECTURE, TrialState.CRASHED))
    assert {path.name for path in folder.children.glob("*.npz")} == top


def test_a_crowned_trial_is_the_best_until_the_run_goes_on(folder: SearchFolder) -> None:
    best = searched(folder, [(0, 0.5, None), (1, 0.4, None)], [(0, 0.5), (1, 0.4)])
    best.crown(trial(1, 0.4))
    assert loaded(best) == 0.4
    assert json.loads((folder.best / "genotype.json").read_text())["found_by"] == {"trial": 1, "reward": 0.4}
    best.restore([trial(0, 0.5), trial(1, 0.4)])
    assert loaded(best) == 0.5
