"""What is told of classes that are not learned or not measured."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from classifying import image_source

from rl_nas.child.data.class_counts import class_remarks
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.splits import TEST, TRAIN, UNUSED, VALID
from rl_nas.errors import UsageError

NAMES = ("cat", "dog", "emu", "fox")


def remarks(train: list[tuple[int, int]], test: list[int] | None = None) -> list[str]:
    """Remarks on classes and roles of the training examples, and on the classes of a test split."""
    labels, roles = (np.array(values) for values in zip(*train, strict=True))
    known = {"train": labels} | ({} if test is None else {"test": np.array(test)})
    return class_remarks(NAMES, known, {"train": roles}, "test")


EVERYTHING = [(label, role) for label in range(4) for role in [VALID] * 40 + [TRAIN] * 60]


def test_nothing_is_told_where_all_is_well() -> None:
    assert remarks(EVERYTHING, [0, 1, 2, 3]) == []
    assert remarks([(label, TRAIN) for label in range(4) for _ in range(5)]) == []  # nothing is held out


def test_each_class_that_is_not_measured_is_named_with_counts() -> None:
    without = [(label, role) for label, role in EVERYTHING if (label, role) not in ((1, VALID), (2, TRAIN))]
    assert remarks([*without, *[(0, VALID)] * 30], [0, 1, 2, -1]) == [
        "classes without an image to train on: 1 of 4, emu; never predicted",
        "classes without a held-out image: 1 of 4, dog; the accuracy says nothing about them",
        "classes without an image for the final test: 1 of 4, fox; its accuracy says nothing about them",
    ]
    left = [(label, TEST if role == VALID else role) for label, role in without]
    assert remarks(left)[-1] == (
        "classes without an image for the final test: 1 of 4, dog; its accuracy says nothing about them"
    )


def test_a_class_with_one_image_is_told_once() -> None:
    assert remarks([*[one for one in EVERYTHING if one[0] != 3], (3, TRAIN)], [0, 1, 2, 3]) == [
        "classes with one image: 1 of 4, fox; add images, or leave them out"
    ]


def test_few_held_out_images_are_told_with_their_number() -> None:
    (line,) = remarks([(label, role) for label in range(4) for role in (VALID, VALID, TRAIN, UNUSED)])
    assert line.startswith("few held-out images: 8; small differences of accuracies are chance")


def test_many_names_are_counted() -> None:
    names = [f"class{number}" for number in range(40)]
    roles = np.array([TRAIN] * 80 + [VALID] * 120)
    labels = np.array([*np.repeat(np.arange(40), 2), *[0] * 120])
    (line,) = class_remarks(names, {"train": labels}, {"train": roles}, None)
    assert "39 of 40, class1, class2, class3, class4, class5 and 34 more" in line


def test_a_folder_tells_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, name, count in (("train", "cat", 9), ("train", "dog", 9), ("train", "emu", 1), ("test", "cat", 2)):
        (tmp_path / split / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            PIL.Image.new("RGB", (8, 8)).save(tmp_path / split / name / f"{number}.png")
    source = image_source(DataSettings(dataset=str(tmp_path), valid_fraction=0.2))
    assert capsys.readouterr().err.splitlines() == [
        "image size: 8x8, that of all 21 images",
        "classes with one image: 1 of 3, emu; add images, or leave them out",
        "classes without an image for the final test: 1 of 3, dog; its accuracy says nothing about them",
        "few held-out images: 4; small differences of accuracies are chance: hold out more (--valid_fraction), or a"
        " split (--valid_split)",
    ]
    assert (source.settings.stratify, source.settings.dataset) == ("yes", f"folder:{tmp_path}")


def test_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train/cat").mkdir(parents=True)
    for number in range(9):
        PIL.Image.new("RGB", (8, 8)).save(tmp_path / f"train/cat/{number}.png")
    with pytest.raises(UsageError, match=r"has one class alone, cat; expected at least two$"):
        image_source(DataSettings(dataset=f"folder:{tmp_path}"))
