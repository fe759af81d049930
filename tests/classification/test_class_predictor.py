"""Accuracy of `rl_nas predict`: which folders are classes, what is told of others, and its interval."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rl_nas.statistics import proportion_interval
from rl_nas.tasks.classification.predictor import ClassPredictor
from rl_nas.tasks.predictor import ImageFile

NAMES = ("cat", "dog", "train")
"""The last one is a class as well as a split."""


def found(*names: str, classes: Sequence[str] = NAMES) -> tuple[ClassPredictor, list[ImageFile], list[str]]:
    predictor, told = ClassPredictor(classes), list[str]()
    files = predictor.with_targets([ImageFile(name, Path("photos", name)) for name in names], told.append)
    return predictor, files, told


def truths(*names: str) -> list[str | None]:
    return [None if file.target is None else file.target.as_posix() for file in found(*names)[1]]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cat/1.png", "photos/cat"),
        ("test/dog/1.png", "photos/test/dog"),
        ("cat/black/1.png", "photos/cat"),
        ("test/cat/black/1.png", "photos/test/cat"),
        ("train/1.png", "photos/train"),
        ("train/cat/1.png", "photos/train/cat"),
        ("train/train/1.png", "photos/train/train"),
        ("cat/dog/1.png", "photos/cat"),  # a cat that looks like a dog
        ("1.png", None),
        ("bird/1.png", None),
        ("Cat/1.png", None),
        ("a/b/cat/1.png", None),
        ("cat.png", None),
    ],
)
def test_a_folder_of_a_class(name: str, folder: str | None) -> None:
    assert truths(name) == [folder]


def test_what_is_not_measured_is_told() -> None:
    names = ("cat/1.png", "dog/1.png", "bird/1.png", "bird/2.png", "fish/x/1.png", "1.png", "train/1.png")
    assert found(*names)[2] == [
        "not measured: 3 images in folders that are no classes of the model: bird (2), fish (1)",
        "not measured: 1 images in no folder of a class, such as 1.png",
    ]
    assert found("test/cat/1.png", "test/bird/1.png")[2] == [
        "not measured: 1 images in folders that are no classes of the model: bird (1)",
        "no images of 2 of the model's 3 classes: dog, train",
    ]
    assert found("cat/1.png", "dog/1.png", "train/1.png")[2] == []


def test_folders_of_other_names_are_told_images_alone_are_not() -> None:
    assert found("Cats/1.png", "2.png")[2] == [
        "accuracy is not measured: no folder is named as a class of the model (cat, dog, train)"
    ]
    assert found("1.png", "2.png")[2] == []


def test_many_names_are_cut() -> None:
    classes = [f"c{number}" for number in range(100)]
    assert found("c7/1.png", classes=classes)[2] == [
        "no images of 99 of the model's 100 classes: c0, c1, c10, c11 and 95 more"
    ]


def measured(*images: tuple[str, int]) -> dict[str, float]:
    predictor, files, _ = found(*(name for name, _ in images))
    for file, (_, likeliest) in zip(files, images, strict=True):
        predictor.measure(file, {"probabilities": np.eye(3)[likeliest]})
    return predictor.figures()


def test_accuracy_is_that_of_images_whose_class_is_known() -> None:
    figures = measured(("cat/1.png", 0), ("cat/2.png", 1), ("dog/1.png", 1), ("bird/1.png", 0), ("1.png", 0))
    low, high = proportion_interval(2, 3)
    assert figures == {"accuracy": 2 / 3, "accuracy_low": low, "accuracy_high": high}
    assert measured(("1.png", 0)) == {}


def test_splits_are_not_mixed() -> None:
    figures = measured(("train/cat/1.png", 0), ("train/dog/1.png", 1), ("test/cat/1.png", 2))
    assert {name: value for name, value in figures.items() if "low" not in name and "high" not in name} == {
        "accuracy/train": 1,
        "images/train": 2,
        "accuracy/test": 0,
        "images/test": 1,
    }
    assert figures["accuracy_low/train"] == proportion_interval(2, 2)[0]
    assert "accuracy" in measured(("test/cat/1.png", 2))  # one split is all
