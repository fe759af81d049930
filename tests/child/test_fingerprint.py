"""Fingerprints of data sets: equal wherever the data are, different where anything in them is that can be told fast."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from rl_nas.child.data.fingerprint import difference
from rl_nas.child.data.settings import DataSettings
from rl_nas.tasks.sources import open_source


def fingerprint(dataset: str, task: str = "classification", **settings: Any) -> dict[str, Any]:
    found = open_source(DataSettings(dataset=dataset, image_size="8", **settings), task, tell=lambda line: None)
    document: dict[str, Any] = json.loads(json.dumps(found.source.fingerprint()))
    return document


def image(path: Path, color: int, kind: str = "PNG", mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new(mode, (12, 10), color).save(path, kind)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    for split, count in (("train", 10), ("test", 3)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                image(tmp_path / "classes" / split / name / f"{number}.png", 20 * label + number)
    return tmp_path / "classes"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    root = tmp_path / "masks"
    for number in range(12):
        image(root / "images" / f"{number}.jpg", number, "JPEG")
        image(root / "masks" / f"{number}.png", number % 2, mode="L")
    (root / "classes.txt").write_text("sky\nroad\n")
    return root


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    root = tmp_path / "boxes"
    listed = []
    for number in range(12):
        image(root / "images" / f"{number}.jpg", number, "JPEG")
        listed.append({"id": number, "file_name": f"{number}.jpg", "width": 12, "height": 10})
    drawn = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 3, 4]} for n in range(12)]
    content = {"images": listed, "annotations": drawn, "categories": [{"id": 1, "name": "cat"}]}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def changed_box(root: Path) -> None:
    file = root / "annotations.json"
    file.write_text(file.read_text().replace("[1, 2, 3, 4]", "[1, 2, 3, 5]", 1))


def renamed_class(root: Path) -> None:
    for split in ("train", "test"):
        (root / split / "dog").rename(root / split / "emu")


CHANGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("classes", renamed_class, "class 1 called 'emu' instead of 'dog'"),
    ("classes", lambda root: image(root / "train/emu/0.png", 3), "3 classes instead of 2"),
    ("classes", lambda root: image(root / "train/dog/more.png", 3), "21 examples in split train instead of 20"),
    ("classes", lambda root: shutil.rmtree(root / "test"), "no split test"),
    ("classes", lambda root: image(root / "more/dog/0.png", 3), "a further split more"),
    (
        "classes",
        lambda root: (root / "train/dog/0.png").rename(root / "train/dog/new.png"),
        "other files or annotations in split train",
    ),
    ("classes", lambda root: image(root / "test/dog/0.png", 200), "other images or targets in split test"),
    ("masks", lambda root: image(root / "masks/0.png", 1, mode="L"), "other files or annotations in split train"),
    ("masks", lambda root: (root / "classes.txt").write_text("sky\nsea\n"), "class 1 called 'sea' instead of 'road'"),
    ("boxes", changed_box, "other files or annotations in split train"),
    ("boxes", lambda root: image(root / "images/0.jpg", 5, "JPEG"), "other images or targets in split train"),
]


@pytest.mark.parametrize(("kind", "change", "message"), CHANGES)
def test_what_differs_is_named(
    kind: str, change: Callable[[Path], object], message: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(kind)
    task = {"classes": "classification", "masks": "segmentation", "boxes": "detection"}[kind]
    before = fingerprint(f"folder:{root}", task)
    moved = tmp_path / "moved" / "elsewhere"
    shutil.copytree(root, moved)
    assert difference(before, fingerprint(f"folder:{moved}", task)) is None
    change(moved)
    assert difference(before, fingerprint(f"folder:{moved}", task)) == message


def test_prepared_data_sets_have_the_same_one_in_any_folder(tmp_path: Path) -> None:
    first = fingerprint("digits", data_dir=str(tmp_path / "a"))
    shutil.copytree(tmp_path / "a" / "digits", tmp_path / "b")
    (version,) = [path for path in (tmp_path / "b").iterdir() if path.is_dir()]
    assert difference(first, fingerprint(f"dir:{version}")) is None
    assert first["splits"].keys() == {"train", "test"}
