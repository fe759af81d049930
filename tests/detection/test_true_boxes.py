"""True boxes in `rl_nas predict`: of folders in every format, of a file, by names of classes, turned with photos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_files import CLASSES, Scene, coco, scenes, write, write_coco, write_image, write_voc, write_yolo
from PIL import Image
from test_box_folders import LAYOUTS, SPLITS

from rl_nas.child.data.image_header import UPRIGHT
from rl_nas.errors import UsageError
from rl_nas.tasks.detection.predict_settings import TrueBoxSettings
from rl_nas.tasks.detection.records import Truth, true_boxes
from rl_nas.tasks.detection.true_boxes import TrueBoxes
from rl_nas.tasks.predictor import ImageFile
from rl_nas.workflows.image_files import find_images

ORDER = (2, 0, 1)
NETWORK = tuple(CLASSES[number] for number in ORDER)
"""The classes of the network: the same names as in the files, with other numbers."""


def source(**flags: Any) -> TrueBoxes:
    return TrueBoxes(NETWORK, TrueBoxSettings(**flags))


def opened(one: TrueBoxes, folder: Path, told: Callable[[str], None] = pytest.fail) -> list[ImageFile]:
    found = one.images(folder, told)
    assert found is not None
    return one.with_targets(found, told)


def check_scene(found: Truth, scene: Scene, atol: float = 2e-3) -> None:
    """Boxes are those of the scene, in its own pixels, and labels those of the network."""
    np.testing.assert_allclose(found.boxes, np.reshape([box[1:] for box in scene.boxes], (-1, 4)), atol=atol)
    assert [NETWORK[label] for label in found.labels] == [CLASSES[box[0]] for box in scene.boxes]
    areas = [(bottom - top) * (right - left) for _, top, left, bottom, right in scene.boxes]
    np.testing.assert_allclose(found.area, areas, rtol=1e-3)
    assert not found.ignore.any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_format_gives_the_boxes_of_all_splits(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path, SPLITS)
    one = source()
    files = opened(one, tmp_path)
    every = {f"{scene.name}.jpg": scene for split in SPLITS.values() for scene in split}
    assert sorted(Path(file.name).name for file in files) == sorted(every)
    for file in files:
        assert tmp_path / file.name == file.path
        check_scene(true_boxes(one.target(file, UPRIGHT)), every[file.path.name])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_turned_with_their_photo(tmp_path: Path, orientation: int) -> None:
    """The corner of the brightest pixels of the upright photo is where the turned box is."""
    stored = np.zeros([30, 50, 3], np.uint8)
    stored[4:20, 8:32] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "images").mkdir()
    Image.fromarray(stored).save(tmp_path / "images/photo.jpg", exif=exif, quality=100)
    write(tmp_path / "train.json", json.dumps(coco([Scene("photo", (30, 50), [(0, 4, 8, 20, 32)])])))
    one, told = source(), list[str]()
    (file,) = opened(one, tmp_path, told.append)
    assert [("EXIF" in line) for line in told] == [True] * (orientation != UPRIGHT)
    found = true_boxes(one.target(file, orientation))
    from PIL import ImageOps

    upright = np.asarray(ImageOps.exif_transpose(Image.open(file.path)))[..., 0] > 127
    rows, columns = np.nonzero(upright)
    expected = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-4)


def test_classes_that_the_network_lacks_are_left_out_and_counted(tmp_path: Path) -> None:
    boxes = [(0, 0, 0, 9, 9), (1, 1, 1, 9, 9), (1, 2, 2, 9, 9), (2, 3, 3, 9, 9)]
    write_coco(tmp_path, {"train": [Scene("one", (20, 20), boxes)]})
    told: list[str] = []
    one = TrueBoxes(("rabbit", "fox"), TrueBoxSettings())
    (file,) = opened(one, tmp_path, told.append)
    assert told == [f"{tmp_path}: boxes of classes that the network does not have: dog (2), cat (1); left out"]
    found = true_boxes(one.target(file, UPRIGHT))
    assert (found.labels.tolist(), found.boxes.tolist()) == ([0], [[3, 3, 9, 9]])
    expected = "has boxes of cat, dog, rabbit; expected classes of the network: Cat, Dog$"
    with pytest.raises(UsageError, match=expected):
        TrueBoxes(("Cat", "Dog"), TrueBoxSettings()).images(tmp_path, print)


def test_yolos_numbers_are_those_of_the_network_where_nothing_names_them(tmp_path: Path) -> None:
    found = scenes(train=3)["train"]
    write_yolo(tmp_path, {"train": found}, "images", "labels")
    (tmp_path / "data.yaml").unlink()
    one = TrueBoxes(CLASSES, TrueBoxSettings())
    for file, scene in zip(opened(one, tmp_path), found, strict=True):
        labels = true_boxes(one.target(file, UPRIGHT)).labels
        assert labels.tolist() == [box[0] for box in scene.boxes]


def test_a_file_has_the_boxes_of_images_that_lie_elsewhere(tmp_path: Path) -> None:
    """Those that it lists beside them do not count; one image is found by its name alone."""
    every = scenes(train=6)["train"]
    write(tmp_path / "boxes.json", json.dumps(coco(every)))
    given = [ImageFile(f"sub/{s.name}.jpg", write_image(tmp_path / "x" / f"{s.name}.jpg", s.size)) for s in every[1:]]
    one, told = source(boxes=str(tmp_path / "boxes.json")), list[str]()
    assert one.images(tmp_path / "x", print) is None
    files = one.with_targets(given, told.append)
    assert [line.partition(": ")[2] for line in told] == [
        "images found under other folders or in another case than annotations say: 5, such as sub/train1.jpg for"
        " train1.jpg"
    ]
    for file, scene in zip(files, every[1:], strict=True):
        assert file.target == tmp_path / "boxes.json"
        check_scene(true_boxes(one.target(file, UPRIGHT)), scene)


def test_folders_of_images_alone_have_no_boxes(tmp_path: Path) -> None:
    write_image(tmp_path / "train/images/1.png", (8, 8))
    write(tmp_path / "notes.json", '{"images": []}')
    assert source().images(tmp_path, pytest.fail) is None
    images = [ImageFile("1.png", tmp_path / "train/images/1.png")]
    assert source().with_targets(images, pytest.fail) == images


def test_images_without_any_box_are_told(tmp_path: Path) -> None:
    write_voc(tmp_path, {"train": [Scene("empty", (20, 20))]})
    one, told = source(), list[str]()
    assert len(opened(one, tmp_path, told.append)) == 1
    assert told == [f"{tmp_path}: no true box is to be found; there is nothing to compare detections with"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"boxes": "none.json"}, "--boxes=none.json: no such file; expected one of JSON"),
        ({"boxes": "bad.json"}, "bad.json is not JSON"),
        ({"boxes": "other.json"}, r"--boxes=other.json does not list 2 of 3 images, such as .*b.jpg; leave them out"),
        ({"boxes": "large.json"}, "a.jpg is 30x20, but has 20x20 pixels; expected the same"),
        ({"box_format": "voc"}, "--box_format=voc is about true boxes, and there are none; leave it out"),
    ],
)
def test_files_that_do_not_fit_are_one_line(
    flags: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "bad.json", "[")
    write(tmp_path / "other.json", json.dumps(coco([Scene("a", (20, 20))])))
    large = [Scene("a", (20, 30)), Scene("b", (20, 20)), Scene("c", (20, 20))]
    write(tmp_path / "large.json", json.dumps(coco(large)))
    images = [ImageFile(f"{name}.jpg", write_image(tmp_path / f"{name}.jpg", (20, 20))) for name in "abc"]
    with pytest.raises(UsageError, match=expected) as error:
        source(**flags).with_targets(images, print)
    assert "\n" not in str(error.value)


def test_images_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "boxes.json", json.dumps(coco([Scene("a", (20, 20))])))
    images = [ImageFile("a.jpg", write_image(tmp_path / folder / "a.jpg", (20, 20))) for folder in "xy"]
    with pytest.raises(UsageError, match=r"x/a.jpg and .*y/a.jpg have the same name; give a folder above both"):
        source(boxes=str(tmp_path / "boxes.json")).with_targets(images, print)


def write_videos(tmp_path: Path, **videos: Scene) -> None:
    """A file of boxes of images that differ by their folders alone, and these."""
    content = coco([scene._replace(name=f"{video}/1") for video, scene in videos.items()])
    write(tmp_path / "boxes.json", json.dumps(content))
    for video, scene in videos.items():
        write_image(tmp_path / video / "1.jpg", scene.size)


@pytest.mark.parametrize("end", ["", "1.jpg"])
def test_an_image_is_the_one_whose_folders_the_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    videos = {name: Scene("1", (20, 20), [(0, 0, 0, 5 + n, 9)]) for n, name in enumerate(("train", "test", "val"))}
    write_videos(tmp_path, **videos)
    monkeypatch.chdir(tmp_path)
    one = source(boxes="boxes.json")
    (file,) = find_images([str(Path("test", end))], one, lambda line: None)
    check_scene(true_boxes(one.target(file, UPRIGHT)), videos["test"])
    (tmp_path / "train/1.jpg").unlink()
    told: list[str] = []
    files = find_images(["."], one, told.append)
    assert told == [".: left out what is no image: 1 .json, such as boxes.json"]
    for file in files:
        check_scene(true_boxes(one.target(file, UPRIGHT)), videos[file.path.parent.name])


def test_images_that_several_names_of_the_file_could_mean_are_refused(tmp_path: Path) -> None:
    write_videos(tmp_path, a=Scene("1", (20, 20)), b=Scene("1", (20, 20)))
    (tmp_path / "a").rename(tmp_path / "c")
    hint = "; give --boxes with the folder that the names in it begin in"
    with pytest.raises(UsageError, match=rf"names 'b/1.jpg', and another one 'a/1.jpg', .*/c/1.jpg{hint}"):
        find_images([str(tmp_path / "c")], source(boxes=str(tmp_path / "boxes.json")), lambda line: None)


def test_a_file_and_a_format_of_folders_are_not_given_together() -> None:
    with pytest.raises(UsageError, match="--box_format=voc is of folders with boxes; leave it out beside --boxes"):
        TrueBoxSettings(boxes="a.json", box_format="voc")


def test_a_folder_that_is_wrong_is_refused_as_in_training(tmp_path: Path) -> None:
    write_voc(tmp_path, {"train": scenes(train=2)["train"]})
    write(tmp_path / "Annotations/train1.xml", "<!DOCTYPE x><annotation/>")
    with pytest.raises(UsageError, match=r"train1.xml declares a document type or entities"):
        source().images(tmp_path, print)
