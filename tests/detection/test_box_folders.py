"""Folders of images with boxes, in every format."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_files import (
    CLASSES,
    Scene,
    Scenes,
    coco,
    scenes,
    voc,
    write,
    write_coco,
    write_image,
    write_voc,
    write_yolo,
    yolo,
)
from PIL import Image

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.child.data.splits import TEST
from rl_nas.errors import UsageError
from rl_nas.tasks.detection.annotation import box_annotation
from rl_nas.tasks.detection.data_settings import DetectionDataSettings
from rl_nas.tasks.detection.folders import BoxFolder, box_folder
from rl_nas.tasks.sources import open_source

SPLITS = scenes(train=7, val=4, test=3)
SIZE = (48, 64)


def write_lists(root: Path, splits: Scenes) -> None:
    """Lists of images in one folder, with paths of several kinds."""
    write_yolo(root, splits, "images/all", "labels/all", "train: train.txt\nval: [./val.txt]\ntest: /data/test.txt")
    for (split, found), start in zip(splits.items(), ("./", "", "./"), strict=True):
        write(root / f"{split}.txt", "\r\n".join(f"{start}images/all/{scene.name}.jpg" for scene in found) + "\n\n")


LAYOUTS: dict[str, Callable[[Path, Scenes], object]] = {
    "coco, images below": write_coco,
    "coco, images above": lambda root, splits: write_coco(root, splits, "{split}/images"),
    "coco, folders of COCO": lambda root, splits: write_coco(root, splits, "{split}2017", "instances_{split}2017.json"),
    "coco, one folder of images": lambda root, splits: write_coco(root, splits, "images", "./{split}.json"),
    "coco, folders of Roboflow": lambda root, splits: write_coco(
        root, splits, "{split}", "{split}/_annotations.coco.json"
    ),
    "voc": write_voc,
    "yolo, splits below": write_yolo,
    "yolo, splits above": lambda root, splits: write_yolo(root, splits, "{split}/images", "{split}/labels"),
    "yolo, splits of data.yaml": lambda root, splits: write_yolo(
        *(root, splits, "images/of_{split}", "labels/of_{split}"),
        "path: ../elsewhere\ntrain: images/of_train  # a comment\nval: ./images/of_val\ntest: ../images/of_test",
    ),
    "yolo, folders of COCO": lambda root, splits: write_yolo(root, splits, "images/{split}2017", "labels/{split}2017"),
    "yolo, folders above in capitals": lambda root, splits: [
        write_yolo(root, {split: found}, f"{split.title()}/images", f"{split.title()}/labels")
        for split, found in splits.items()
    ],
    "yolo, paths of another machine": lambda root, splits: write_yolo(
        *(root, splits, "of_{split}/images", "of_{split}/labels"),
        "train: /content/data/of_train/images\nval: 'C:\\data\\of_val\\images'\ntest: x/of_test",
    ),
    "yolo, lists": lambda root, splits: write_lists(root, splits),
}


def opened(root: Path, **settings: Any) -> BoxFolder:
    found = box_folder(str(root), DetectionDataSettings(**settings))
    assert found is not None
    return found


def source_of(folder: BoxFolder, data: DataSettings | None = None, **settings: Any) -> ImageSource:
    annotation = box_annotation(folder.features, folder.supervised, DetectionDataSettings(**settings))
    assert annotation is not None
    data = data or DataSettings(dataset="folder:x", image_size="48x64", valid_split="val")
    return ImageSource(data, folder, annotation)


def targets_of(source: ImageSource, split: str) -> dict[str, np.ndarray]:
    """The targets of a split, in its order, one batch."""
    dataset = source.encoded(split).map(lambda number, image, kept: source.decode_both(image, kept)[1])
    return next(dataset.batch(source.size(split)).as_numpy_iterator())


def expected(found: list[Scene], rows: int) -> dict[str, np.ndarray]:
    """What the targets must be, in the order of names."""
    scale = [np.divide(SIZE, scene.size) for scene in found]
    boxes, labels = np.zeros([len(found), rows, 4], np.float32), np.full([len(found), rows], -1, np.int32)
    area = np.zeros([len(found), rows], np.float32)
    for place, scene in enumerate(found):
        for row, (label, *corners) in enumerate(scene.boxes):
            boxes[place, row] = corners * np.tile(scale[place], 2)
            labels[place, row] = label
            area[place, row] = (corners[2] - corners[0]) * (corners[3] - corners[1])
    size = np.array([scene.size for scene in found], np.float32)
    return {"boxes": boxes, "labels": labels, "ignore": np.zeros(labels.shape, bool), "area": area, "size": size}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_format_and_layout_gives_the_same_targets(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path, SPLITS)
    folder = opened(tmp_path)
    assert (folder.name, folder.upright, folder.remarks) == (tmp_path.name, True, [])
    assert folder.sizes == {"train": 7, "val": 4, "test": 3}
    source = source_of(folder)
    assert source.class_names == CLASSES
    rows = max(len(scene.boxes) for found in SPLITS.values() for scene in found)
    for split, found in SPLITS.items():
        assert [Path(name).name for name in folder.names(split)] == [f"{scene.name}.jpg" for scene in found]
        given = targets_of(source, split)
        for name, values in expected(found, rows).items():
            assert given[name].dtype == values.dtype
            np.testing.assert_allclose(given[name], values, rtol=2e-5, atol=2e-3, err_msg=name)  # YOLO rounds


def test_without_splits_all_is_for_training_and_some_is_left_for_the_test(tmp_path: Path) -> None:
    found = scenes(train=10)
    write_coco(tmp_path / "coco", found, "images", "annotations.json")
    write_coco(tmp_path / "cvat", found, "images", "instances_default.json")
    write_voc(tmp_path / "voc", found, lists=False)
    write_yolo(tmp_path / "yolo", found, "images", "labels")
    for name in ("coco", "cvat", "voc", "yolo"):
        folder = opened(tmp_path / name)
        assert folder.sizes == {"train": 10}
        files = (tmp_path / name).rglob("*.jpg")
        assert folder.bytes("train") == sum(path.stat().st_size for path in files)
        data = DataSettings(dataset="folder:x", image_size=48, test_fraction=0.2, group_by="train[0-9]")
        source = source_of(folder, data)
        assert (source.images("test"), source.images("valid")) == (2, 1)
        assert np.count_nonzero(source.roles["train"] == TEST) == 2


def test_the_shuffled_examples_keep_their_boxes(tmp_path: Path) -> None:
    write_voc(tmp_path, SPLITS)
    folder = opened(tmp_path)
    in_order, shuffled = (
        {int(number): example["objects"]["bbox"].numpy().tolist() for number, example in folder.read("train", seed)}
        for seed in (None, 3)
    )
    assert list(in_order) != list(shuffled)
    assert in_order == shuffled


def test_crowds_and_difficult_boxes_are_ignored(tmp_path: Path) -> None:
    content = coco(SPLITS["train"])
    content["annotations"][1]["iscrowd"] = 1
    content["annotations"][1]["area"] = 5.5
    del content["annotations"][2]["area"]
    write_coco(tmp_path / "coco", SPLITS)
    write(tmp_path / "coco/annotations/instances_train.json", json.dumps(content))
    given = targets_of(source_of(opened(tmp_path / "coco")), "train")
    assert given["ignore"][1].tolist()[:3] == [False, True, False]
    assert given["ignore"].sum() == 1
    assert given["area"][1, 1] == 5.5
    _, top, left, bottom, right = SPLITS["train"][1].boxes[2]
    np.testing.assert_allclose(given["area"][1, 2], (bottom - top) * (right - left), rtol=1e-5)

    write_voc(tmp_path / "voc", SPLITS)
    text = voc(SPLITS["train"][1]).replace("</name>", "</name><difficult>1</difficult>", 1)
    write(tmp_path / "voc/Annotations/train1.xml", text.replace("<width>", "<width> ").replace("<depth>", " <depth>"))
    given = targets_of(source_of(opened(tmp_path / "voc")), "train")
    assert given["ignore"].sum() == given["ignore"][1, 0] == 1


def test_classes_are_chosen_by_name(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    names = str(write(tmp_path / "names.txt", "rabbit\ncat\n"))
    folder = opened(tmp_path, classes=names)
    dogs = sum(box[0] == 1 for found in SPLITS.values() for scene in found for box in scene.boxes)
    (line,) = folder.remarks
    assert line.startswith(f"{tmp_path}: boxes of classes that --classes does not name: {dogs}, such as ")
    source = source_of(folder, classes=names)
    assert source.class_names == ("rabbit", "cat")
    given, number_of = targets_of(source, "train"), {0: 1, 2: 0}
    for scene, labels in zip(SPLITS["train"], given["labels"], strict=True):
        kept = [number_of[box[0]] for box in scene.boxes if box[0] in number_of]
        assert labels.tolist() == kept + [-1] * (len(labels) - len(kept))


def test_lists_of_classes_name_the_numbers_of_yolo(tmp_path: Path) -> None:
    write_yolo(tmp_path, SPLITS)
    (tmp_path / "data.yaml").unlink()
    assert source_of(opened(tmp_path, classes=3), classes=3).class_names == ("0", "1", "2")
    names = str(write(tmp_path / "names.txt", "c\nb\na"))
    assert source_of(opened(tmp_path, classes=names), classes=names).class_names == ("c", "b", "a")
    write(tmp_path / "labels/classes.txt", "x\ny\nz")
    assert source_of(opened(tmp_path)).class_names == ("x", "y", "z")


def test_images_without_boxes_are_negatives(tmp_path: Path) -> None:
    write_yolo(tmp_path, SPLITS)
    (tmp_path / "labels/train/train3.txt").unlink()
    folder = opened(tmp_path)
    (line,) = folder.remarks
    assert line == (
        f"{tmp_path}: images without a file of labels: 1, such as {tmp_path}/images/train/train3.jpg; without boxes, so"
        " that all of them is background"
    )
    given = targets_of(source_of(folder), "train")
    assert ((given["labels"] >= 0).sum(1) == 0).tolist() == [True, False, False, True, False, False, False]


def test_what_is_odd_is_told_once_with_its_count(tmp_path: Path) -> None:
    scene = Scene("a", (40, 60), [(0, 1, 2, 10, 20)])
    write_coco(tmp_path, {"train": [scene]})
    content = coco([scene])
    whole = content["annotations"][0]
    for bbox in ([5, 5, 0, 3], [5, 5, 3, 0], [70, 5, 4, 4], [-9, -9, 4.5, 4], [50.5, 30, 20, 20], [0, 0, 60.25, 40]):
        content["annotations"].append({**whole, "bbox": bbox})
    write(tmp_path / "annotations/instances_train.json", json.dumps(content))
    write_image(tmp_path / "images/train/more.png", (9, 9))
    folder = opened(tmp_path)
    place = f"{tmp_path}/annotations/instances_train.json: image 100"
    assert folder.remarks == [
        f"{tmp_path}: images that no annotation lists: 1, such as images/train/more.png; left out",
        f"{tmp_path}: boxes without an area: 2, such as {place}; left out",
        f"{tmp_path}: boxes outside of their image: 2, such as {place}; left out",
        f"{tmp_path}: boxes that reach beyond their image: 1, such as {place}; clipped",
    ]
    source = source_of(folder, DataSettings(dataset="folder:x", image_size="40x60", valid_images=0))
    boxes = targets_of(source, "train")["boxes"][0]
    np.testing.assert_allclose(boxes, [[1, 2, 10, 20], [30, 50.5, 40, 60], [0, 0, 40, 60]], atol=1e-4)


def test_names_in_another_case_or_with_folders_are_understood(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    content = coco(SPLITS["train"])
    for one, name in zip(
        content["images"], ("TRAIN0.JPG", "C:\\data\\train1.jpg", "../../etc/train2.jpg"), strict=False
    ):
        one["file_name"] = name
    content["images"][3]["file_name"] = "./train3.jpg"
    write(tmp_path / "annotations/instances_train.json", json.dumps(content))
    folder = opened(tmp_path)
    assert folder.names("train") == [f"{scene.name}.jpg" for scene in SPLITS["train"]]
    (line,) = folder.remarks
    assert line.startswith(f"{tmp_path}: images found under other folders or in another case than annotations say: 3,")


def test_images_that_are_listed_twice_alike_are_taken_once(tmp_path: Path) -> None:
    write_coco(tmp_path, SPLITS)
    content = coco(SPLITS["train"])
    twin = {**content["images"][2], "id": 999}
    content["images"].append(twin)
    own = content["images"][2]["id"]
    content["annotations"] += [{**one, "image_id": 999} for one in content["annotations"] if one["image_id"] == own]
    write(tmp_path / "annotations/instances_train.json", json.dumps(content))
    folder = opened(tmp_path)
    assert folder.sizes["train"] == 7
    (line,) = folder.remarks
    assert "listed twice with equal boxes: 1, such as" in line


def test_splits_that_are_secret_or_not_there_are_left_out(tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", SPLITS)
    for path in (tmp_path / "coco/images/test").iterdir():
        path.unlink()
    write_voc(tmp_path / "voc", SPLITS)
    write_yolo(tmp_path / "yolo", SPLITS)
    for number in range(3):
        (tmp_path / f"voc/Annotations/test{number}.xml").unlink()
        (tmp_path / f"yolo/labels/test/test{number}.txt").unlink()
    for name in ("coco", "voc", "yolo"):
        folder = opened(tmp_path / name)
        assert folder.sizes == {"train": 7, "val": 4}
        assert any("; left out" in line and "test" in line for line in folder.remarks)


def test_splits_of_data_yaml_that_are_not_there_are_told(tmp_path: Path) -> None:
    """As COCO in YOLO's form without its secret test: the images to validate on are none to train on."""
    found = {"train2017": SPLITS["train"], "val2017": SPLITS["val"]}
    for number, absent in enumerate(("images/test2017", "test-dev2017.txt")):
        root = tmp_path / str(number)
        description = f"train: images/train2017\nval: images/val2017\ntest: {absent}"
        write_yolo(root, found, "images/{split}", "labels/{split}", description)
        folder = opened(root)
        assert folder.sizes == {"train": 7, "val": 4}
        kind = "what data.yaml names for a split and is not there"
        assert folder.remarks == [f"{root}: {kind}: 1, such as {absent} for test; left out"]


def test_several_folders_are_one_split(tmp_path: Path) -> None:
    description = "train: images/train\nval:\n  - images/val\n  - images/test\n  - images/more"
    write_yolo(tmp_path, SPLITS, description=description)
    folder = opened(tmp_path)
    assert folder.sizes == {"train": 7, "val": 7}
    assert folder.names("val") == [f"images/{split}/{split}{n}.jpg" for split, most in (("val", 4), ("test", 3))
                                   for n in range(most)]  # fmt: skip
    (line,) = folder.remarks
    assert line.endswith("is not there: 1, such as images/more for val; left out")
    boxes = [len(scene.boxes) for split in ("val", "test") for scene in SPLITS[split]]
    assert [len(example["objects"]["label"]) for _, example in folder.read("val")] == boxes


def test_folders_that_may_have_been_meant_as_splits_are_told(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"one": SPLITS["train"], "two": SPLITS["val"]})
    folder = opened(tmp_path)
    assert folder.sizes == {"train": 11}
    assert folder.remarks == [
        f"{tmp_path}: folders that are no splits: 2, such as {tmp_path}/images/one; all are for training"
    ]


def test_marks_of_byte_order_are_no_text(tmp_path: Path) -> None:
    found = {"train": SPLITS["train"][1:2]}
    write_coco(tmp_path / "coco", found)
    write_voc(tmp_path / "voc", found)
    write_yolo(tmp_path / "yolo", found)
    for name in ("coco", "voc", "yolo"):
        texts = [path for path in (tmp_path / name).rglob("*") if path.suffix in (".json", ".xml", ".txt", ".yaml")]
        assert texts
        for path in texts:
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        folder = opened(tmp_path / name)
        ((_, example),) = folder.read("train")
        labels = [folder.features["objects"].feature["label"].names[n] for n in example["objects"]["label"]]
        assert labels == [CLASSES[box[0]] for box in found["train"][0].boxes]


@pytest.mark.parametrize("area", [1e11, 40 * 60 + 1, 0, -1, -7.5])
def test_areas_that_no_box_can_have_are_those_of_boxes(tmp_path: Path, area: float) -> None:
    """Beyond 1e10 and below 0 COCO's rule would ignore the box."""
    content = coco([Scene("a", (40, 60), [(0, 30, 50, 40, 60)])])
    content["annotations"][0].update(area=area, bbox=[50, 30, 20, 20])
    write_coco(tmp_path, {"train": [Scene("a", (40, 60))]})
    write(tmp_path / "annotations/instances_train.json", json.dumps(content))
    folder = opened(tmp_path)
    assert any("areas of 0 or less, or beyond that of the image: 1, such as" in line for line in folder.remarks)
    source = source_of(folder, DataSettings(dataset="folder:x", image_size="20x30", valid_images=0))
    np.testing.assert_allclose(targets_of(source, "train")["area"], [[100]], rtol=1e-5)


def test_trainval_without_train_is_for_training(tmp_path: Path) -> None:
    write_voc(tmp_path, {"trainval": SPLITS["train"], "test": SPLITS["test"]})
    assert opened(tmp_path).sizes == {"test": 3, "train": 7}
    write_voc(tmp_path, {"val": [SPLITS["train"][3]]})
    assert opened(tmp_path).sizes == {"val": 1, "test": 3, "train": 6}


@pytest.mark.parametrize("number", range(1, 9))
def test_boxes_of_photos_are_turned_as_their_images(tmp_path: Path, number: int) -> None:
    """The box is where the image is white."""
    stored = np.zeros([48, 72], np.uint8)
    stored[8:24, 16:64] = 255
    exif = Image.Exif()
    exif[0x0112] = number
    Image.fromarray(stored).convert("RGB").save(write(tmp_path / "images/a.jpg", b""), "JPEG", exif=exif, quality=95)
    write(tmp_path / "labels/a.txt", yolo(Scene("a", (48, 72), [(0, 8, 16, 24, 64)])))
    folder = opened(tmp_path, classes=1)
    assert len(folder.remarks) == (number > 1)
    data = DataSettings(dataset="folder:x", image_size="48x48", valid_images=0)
    source = source_of(folder, data, classes=1)
    ((image, target),) = source.part("train").map(source.decode_both)
    top, left, bottom, right = np.round(target["boxes"][0] * [*image.shape[:2], *image.shape[:2]] / 48).astype(int)
    white = np.zeros(image.shape[:2], bool)
    white[top:bottom, left:right] = True
    assert np.mean(white == (image[..., 0].numpy() > 127)) > 0.99
    assert target["size"].numpy().tolist() == list(image.shape[:2])


def test_other_folders_are_none_of_ours(tmp_path: Path) -> None:
    def found(root: str | Path) -> BoxFolder | None:
        return box_folder(str(root), DetectionDataSettings())

    assert found(tmp_path / "absent") is None
    assert found("gs://bucket/folder") is None
    write_image(tmp_path / "train/cat/0.png", (4, 4))  # classification
    write(tmp_path / "notes.json", '{"images": 3, "broken')
    assert found(tmp_path) is None
    write_image(tmp_path / "segmented/images/0.png", (4, 4))
    write_image(tmp_path / "segmented/labels/0.png", (4, 4))
    assert found(tmp_path / "segmented") is None


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    write_voc(tmp_path, SPLITS)
    folder = opened(tmp_path)
    assert folder.unreadable() == {}
    broken = tmp_path / "JPEGImages/val2.jpg"
    broken.write_bytes(b"no image")
    assert list(folder.unreadable()) == [str(broken)]


def test_a_folder_that_fits_two_tasks_says_which_one_it_opens(tmp_path: Path) -> None:
    found = scenes(train=3, val=2)
    write_voc(tmp_path, found)
    for split, images in found.items():
        write(tmp_path / f"ImageSets/Segmentation/{split}.txt", "\n".join(scene.name for scene in images))
        for scene in images:
            mask = io.BytesIO()
            Image.new("P", scene.size[::-1], 1).save(mask, "PNG")
            write(tmp_path / f"SegmentationClass/{scene.name}.png", mask.getvalue())
    told: list[str] = []
    settings = DataSettings(f"folder:{tmp_path}", valid_split="val", image_size="32")
    opened = open_source(settings, flags={"classes": None}, tell=told.append)
    others = {"detection": "segmentation", "segmentation": "detection"}[opened.task.name]
    assert f"task: {opened.task.name}; folder:{tmp_path} also fits --task={others}" in told
    told.clear()
    assert open_source(settings, "detection", tell=told.append).task.name == "detection"
    assert not any("also fits" in line for line in told)


@pytest.mark.parametrize("ending", [".bmp", ".tif", ".webp", ".gif", ".png"])
def test_images_of_all_formats_are_found_with_their_boxes(tmp_path: Path, ending: str) -> None:
    write_yolo(tmp_path, SPLITS)
    for file in list(tmp_path.glob("images/**/*.jpg")):
        with Image.open(file) as image:
            image.save(file.with_suffix(ending))
        file.unlink()
    folder = opened(tmp_path)
    assert folder.sizes == {split: len(found) for split, found in SPLITS.items()}
    assert all(name.endswith(ending) for name in folder.names("train"))
    source = source_of(folder)
    for image, _ in source.part("train").map(source.decode_both):
        assert source.resize(image).shape == (48, 64, 3)


def test_all_broken_images_are_named_at_once(tmp_path: Path) -> None:
    write_yolo(tmp_path, SPLITS)
    broken = sorted(tmp_path.glob("images/*/*.jpg"))[::5]
    for file in broken:
        file.write_bytes(b"<html>")
    with pytest.raises(UsageError, match=rf"^{len(broken)} files cannot be decoded; ") as raised:
        opened(tmp_path)
    assert all(str(file) in str(raised.value) for file in broken)
