"""Predictions beside true masks: which belongs to which, and what their values mean."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mask_files import palette_png, png, write, write_pair

from rl_nas.child.data.image_header import ImageHeader
from rl_nas.errors import UsageError
from rl_nas.tasks.predictor import ImageFile
from rl_nas.tasks.segmentation.label_map import LabelMap, label_map_text, make_label_map, parse_label_map
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.masks import COLOR, IGNORE
from rl_nas.tasks.segmentation.predictor import SegmentationPredictor
from rl_nas.tasks.segmentation.task import Segmentation

NAMES = ("road", "license plate", "3")
LABELS = LabelMap(NAMES, {7: 0, 8: 1, 9: 2, 0: IGNORE, COLOR + 0x804080: 0, COLOR: IGNORE})


def predictor(**flags: Any) -> SegmentationPredictor:
    groups = Segmentation.predict_settings
    values = {name: value for group in groups for name, value in group().flags().items()}
    return SegmentationPredictor(NAMES, LABELS, {**values, **flags})


def test_what_values_mean_goes_with_an_exported_network() -> None:
    text = label_map_text(LABELS)
    assert "8 license plate\n" in text
    assert "#000000 ignore\n" in text
    assert parse_label_map(text, NAMES, "file") == LABELS


@pytest.mark.parametrize(
    "flags", [{"classes": "5"}, {"classes": "5", "ignore_label": "0,300"}, {"label_map": "cityscapes_labels.txt"}]
)
def test_the_meaning_of_values_survives_being_written(flags: Mapping[str, str]) -> None:
    labels = make_label_map(MaskSettings(**flags))
    assert parse_label_map(label_map_text(labels), labels.names, "file") == labels


def test_files_of_strangers_are_refused_if_they_are_no_such_map() -> None:
    for text in ("", "7 road\n", "x road\n", "7\n", "7 sky\n8 road\n"):
        with pytest.raises(UsageError, match=r"mask_values\.txt"):
            Segmentation().display(NAMES, {"mask_values.txt": text})


def test_masks_are_found_by_names_and_measured_in_their_own_size(tmp_path: Path) -> None:
    images = [ImageFile("a.jpg", tmp_path / "a.jpg"), ImageFile("sub/b.png", tmp_path / "sub/b.png")]
    target = np.array([[7, 7, 8], [9, 0, 8]], np.uint8)
    write(tmp_path / "masks/a_gt.png", png(target))
    colors = np.zeros([256, 3])
    write(tmp_path / "masks/sub/b_gt.png", palette_png(np.array([[9, 9]]), colors))
    one = predictor(masks=str(tmp_path / "masks"))
    first, second = one.with_targets(images, print)
    one.check(first, ImageHeader((2, 3)))
    one.measure(first, {"classes": np.array([[0, 0, 1], [0, 0, 1]], np.uint8)})
    one.measure(second, {"classes": np.array([[2, 2]], np.uint8)})
    # road: 2 of 3, license plate: 2 of 2, 3: 2 of 3; 6 of 7 pixels.
    assert one.figures() == pytest.approx(
        {"mIoU": (2 / 3 + 1 + 2 / 3) / 3, "pixel_accuracy": 6 / 7}
        | {"IoU/road": 2 / 3, "IoU/license plate": 1.0, "IoU/3": 2 / 3}
    )
    with pytest.raises(UsageError, match="has 2x3 pixels, its image 3x2; expected as many"):
        one.check(first, ImageHeader((3, 2)))
    one.check(first, ImageHeader((2, 3), 6))
    with pytest.raises(UsageError, match="has 2x3 pixels, as its image turned upright; expected 3x2, those that are"):
        one.check(first, ImageHeader((3, 2), 6))


def test_flags_say_otherwise(tmp_path: Path) -> None:
    write(tmp_path / "masks/a.png", png(np.array([[0, 1, 2, 255]], np.uint8)))
    one = predictor(masks=str(tmp_path / "masks"), classes="3", ignore_label="255")
    (file,) = one.with_targets([ImageFile("a.png", tmp_path / "a.png")], print)
    one.measure(file, {"classes": np.array([[0, 1, 2, 0]], np.uint8)})
    assert one.figures()["mIoU"] == 1
    with pytest.raises(UsageError, match="the network has 3 classes; flags say 4"):
        predictor(masks=str(tmp_path / "masks"), classes="4")
    with pytest.raises(UsageError, match="--ignore_label is about true masks, and there are none"):
        predictor(ignore_label="255").with_targets([ImageFile("a.png", tmp_path / "a.png")], print)


def measured(folder: Path, values: Sequence[int], **flags: Any) -> dict[str, float]:
    """The figures of a prediction of road, license plate, 3."""
    write(folder / "masks/a.png", png(np.array([values], np.uint8)))
    one = predictor(masks=str(folder / "masks"), **flags)
    (file,) = one.with_targets([ImageFile("a.png", folder / "a.png")], print)
    one.measure(file, {"classes": np.array([[0, 1, 2]], np.uint8)})
    return one.figures()


def test_further_values_are_ignored_and_the_others_keep_their_meaning(tmp_path: Path) -> None:
    assert measured(tmp_path, [7, 8, 200], ignore_label="200,201") == {
        "mIoU": 1.0,
        "pixel_accuracy": 1.0,
        "IoU/road": 1.0,
        "IoU/license plate": 1.0,
    }
    assert measured(tmp_path, [7, 0, 200], ignore_label="200")["pixel_accuracy"] == 1.0
    assert "IoU/road" not in measured(tmp_path, [7, 8, 9], ignore_label="7")
    assert measured(tmp_path, [7, 8, 9], ignore_label="none")["mIoU"] == 1
    with pytest.raises(UsageError, match="has value 0; expected 7 to 9: give"):
        measured(tmp_path, [7, 8, 0], ignore_label="none")


def test_classes_are_those_of_the_network_by_name(tmp_path: Path) -> None:
    listed = tmp_path / "classes.txt"
    listed.write_text("3\nroad\nlicense plate\n")
    assert measured(tmp_path, [1, 2, 0], classes=str(listed))["mIoU"] == 1
    assert measured(tmp_path, [1, 2, 0], classes=str(listed))["IoU/license plate"] == 1
    mapped = tmp_path / "map.txt"
    mapped.write_text("4 license plate\n5 3\n6 road\n")
    assert measured(tmp_path, [6, 4, 5], label_map=str(mapped))["mIoU"] == 1
    for text, problem in (
        ("road\nlicense plate\nsky", "no class '3', which the network has"),
        ("road\nlicense plate\n3\nsky", "class 'sky', which the network has not"),
        ("road\nlicense plate", "no class '3', which the network has"),
    ):
        listed.write_text(text)
        with pytest.raises(UsageError, match=f"--classes={listed}: {problem}; expected the names of its classes"):
            measured(tmp_path, [0, 1, 2], classes=str(listed))


def test_an_image_without_a_mask_and_an_unknown_value_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "masks/a.png", png(np.array([[7, 77]], np.uint8)))
    one = predictor(masks=str(tmp_path / "masks"))
    files = [ImageFile(name, tmp_path / name) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(UsageError, match=r"images without a mask: 1, such as b\.jpg"):
        one.with_targets(files, print)
    with pytest.raises(UsageError, match="has value 77; expected 7 to 9, or 0 to be ignored"):
        one.measure(*one.with_targets(files[:1], print), {"classes": np.zeros([1, 2], np.uint8)})
    with pytest.raises(UsageError, match="no such folder"):
        predictor(masks=str(tmp_path / "absent")).with_targets(files, print)


def test_a_folder_in_a_layout_brings_its_masks(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_pair(tmp_path / split / "images/x.jpg", tmp_path / split / "masks/x.png", value=7)
    write_pair(tmp_path / "plain/x.jpg", tmp_path / "plain/y.png")
    found = predictor().images(tmp_path, print)
    assert found is not None
    assert [(file.name, file.target) for file in found] == [
        ("train/x.jpg", tmp_path / "train/masks/x.png"),
        ("val/x.jpg", tmp_path / "val/masks/x.png"),
    ]
    assert predictor().images(tmp_path / "plain", print) is None
    (tmp_path / "train/masks/x.png").unlink()
    (tmp_path / "train/masks/x.png").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is a link out of the folder"):
        predictor().images(tmp_path, print)


def names_and_targets(folder: Path, told: list[str], **flags: Any) -> dict[str, bool]:
    """Name of each image -> whether it has a true mask."""
    found = predictor(**flags).images(folder, told.append)
    assert found is not None
    return {file.name: file.target is not None for file in found}


def test_all_images_of_a_layout_are_predicted_whether_they_have_a_mask_or_not(tmp_path: Path) -> None:
    told: list[str] = []
    for name in ("train/a", "train/b", "val/c", "test/d"):
        split, stem = name.split("/")
        write_pair(tmp_path / f"above/{split}/images/{stem}.jpg", tmp_path / f"above/{split}/masks/{stem}.png")
        write_pair(tmp_path / f"below/images/{name}.jpg", tmp_path / f"below/masks/{name}.png")
        write_pair(tmp_path / f"voc/JPEGImages/{stem}.jpg", tmp_path / f"voc/SegmentationClass/{stem}.png")
    write(tmp_path / "voc/ImageSets/Segmentation/train.txt", b"a")
    write(tmp_path / "below/images/loose.jpg", (tmp_path / "below/images/train/a.jpg").read_bytes())
    shutil.rmtree(tmp_path / "above/test/masks")
    (tmp_path / "above/train/masks/b.png").unlink()
    (tmp_path / "voc/SegmentationClass/a.png").unlink()
    assert names_and_targets(tmp_path / "above", told) == {
        "test/d.jpg": False,
        "train/a.jpg": True,
        "train/b.jpg": False,
        "val/c.jpg": True,
    }
    below = names_and_targets(tmp_path / "below", told)
    assert below == {"loose.jpg": False} | dict.fromkeys(
        ("test/d.jpg", "train/a.jpg", "train/b.jpg", "val/c.jpg"), True
    )
    assert names_and_targets(tmp_path / "voc", told) == {"a.jpg": False, "b.jpg": True, "c.jpg": True, "d.jpg": True}
    assert told == [
        f"{tmp_path}/{folder}: images without a true mask: {count}, such as {tmp_path}/{folder}/{first}; not measured"
        for folder, count, first in (
            ("above", "2 of 4", "test/images/d.jpg"),
            ("below", "1 of 5", "images/loose.jpg"),
            ("voc", "1 of 4", "JPEGImages/a.jpg"),
        )
    ]
    shutil.rmtree(tmp_path / "below/masks")
    (tmp_path / "below/masks").mkdir()
    assert set(names_and_targets(tmp_path / "below", told).values()) == {False}


def test_tiles_see_every_part_of_an_image() -> None:
    image = np.random.default_rng(0).integers(0, 255, [50, 70, 3], np.uint8)

    def serve(part: np.ndarray) -> dict[str, np.ndarray]:
        probabilities = part / np.maximum(part.sum(axis=-1, keepdims=True), 1)
        return {"probabilities": probabilities, "classes": probabilities.argmax(axis=-1).astype(np.uint8)}

    whole = predictor().outputs(serve, image)
    tiled = predictor(tile="16x20", overlap=5).outputs(serve, image)
    assert whole.keys() == tiled.keys() == {"classes"}
    assert np.mean(whole["classes"] == tiled["classes"]) > 0.999
