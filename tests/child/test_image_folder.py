"""Folders of images as data sets."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from classifying import image_data, image_source

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.errors import UsageError
from rl_nas.tasks.classification.folder import class_folder
from rl_nas.tasks.sources import open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of one color: the class is in the red, the number in the green channel."""
    for split, count in (("train", 20), ("test", 3)):
        for label, name in enumerate(("cat", "dog", "emu")):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                image = np.full([6, 9, 3], [80 * label, number, 7], np.uint8)
                content = tf.io.encode_png(image).numpy()
                (tmp_path / split / name / f"{number}.png").write_bytes(content)
    return tmp_path


def test_a_folder_gives_its_own_images_and_classes(folder: Path) -> None:
    data = image_data(DataSettings(dataset=f"folder:{folder}", image_size=4, valid_fraction=0.1))
    assert data.class_names == ("cat", "dog", "emu")
    assert (data.train_images.shape, data.valid_images.shape) == ((54, 4, 4, 3), (6, 4, 4, 3))
    images = np.concatenate([data.train_images, data.valid_images])
    labels = np.concatenate([data.train_targets, data.valid_targets])
    np.testing.assert_array_equal(images[..., 0], np.broadcast_to(80 * labels[:, None, None], images.shape[:3]))
    # Each training image once, none of the test split.
    seen = sorted(zip(labels, images[:, 0, 0, 1], strict=True))
    assert seen == [(label, number) for label in range(3) for number in range(20)]


def test_a_wrong_folder_is_one_line(folder: Path, tmp_path: Path) -> None:
    layouts = (
        r"in no known layout; expected one of: detection: .* segmentation: images/NAME.* classification: CLASS/NAME"
    )
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match=layouts):
        image_data(DataSettings(dataset=f"folder:{tmp_path / 'nothing'}", image_size=4))
    too_low = (
        r"has images, such as 0\.png, and no folder of a class; expected CLASS/NAME\.jpg: give the folder above it"
    )
    with pytest.raises(UsageError, match=too_low):
        image_data(DataSettings(dataset=f"folder:{folder / 'train/cat'}", image_size=4))
    with pytest.raises(UsageError, match=r"cat/0\.png is a file; expected a folder of images"):
        image_data(DataSettings(dataset=f"folder:{folder / 'train/cat/0.png'}", image_size=4))
    with pytest.raises(UsageError, match="no folder /nowhere"):
        image_data(DataSettings(dataset="folder:/nowhere", image_size=4))
    broken = folder / "train" / "dog" / "7.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UsageError, match=f"{broken} cannot be decoded"):
        image_data(DataSettings(dataset=f"folder:{folder}", image_size=4))
    empty = tmp_path / "empty"
    (empty / "train" / "cat").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no image in the folders of .*/empty/train"):
        image_data(DataSettings(dataset=f"folder:{empty}", image_size=4))


def test_splits_of_a_folder_are_those_of_tfds(folder: Path) -> None:
    """Held-out images stay held out: the order of the files is that of TFDS's ImageFolder."""
    examples, reference = class_folder(str(folder)), tfds.ImageFolder(str(folder))
    assert examples is not None
    assert examples.sizes == {name: split.num_examples for name, split in reference.info.splits.items()}
    for split in examples.sizes:
        expected = [(one["image/filename"], one["label"]) for one in tfds.as_numpy(reference.as_dataset(split=split))]
        found = [(one["image/filename"].numpy(), one["label"]) for _, one in examples.read(split)]
        assert found == expected
        assert [f"{folder}/{split}/{name}".encode() for name in examples.names(split)] == [file for file, _ in found]
        size = sum(file.stat().st_size for file in (folder / split).rglob("*.png"))
        assert examples.bytes(split) == size


def test_another_split_is_held_out_whole(folder: Path) -> None:
    settings = DataSettings(dataset=f"folder:{folder}", image_size=4, valid_split="test")
    data, source = image_data(settings), image_source(settings)
    assert (len(data.train_images), len(data.valid_images)) == (60, 9)
    assert sorted(data.valid_images[:, 0, 0, 1]) == sorted([0, 1, 2] * 3)
    pipeline = InputPipeline(source, InputPipelineSettings(), seed=0)
    measured = np.concatenate([images for images, *_ in pipeline.measured("valid", 3).as_numpy_iterator()])
    np.testing.assert_array_equal(measured, data.valid_images)
    assert (pipeline.train_images, pipeline.described("valid")) == (60, "test")
    assert source.test_split is None
    assert "of which test is held out by --valid_split" in source.without_test


def test_a_part_of_train_is_left_for_the_final_test(folder: Path) -> None:
    """Every image is in one of the parts, and those with one number, of three classes, are together."""
    shutil.rmtree(folder / "test")
    settings = DataSettings(
        dataset=f"folder:{folder}", image_size=4, test_fraction=0.25, valid_fraction=0.2, group_by=r"(\d+)\.png"
    )
    data, source = image_data(settings), image_source(settings)
    for memory in (0, 4):
        pipeline = InputPipeline(source, InputPipelineSettings(memory_gib=memory), seed=0)
        parts = {"train": pipeline.train(0, 1), **{name: pipeline.measured(name, 1) for name in ("valid", "test")}}
        seen = {name: [one[0][0, 0, 0, :2] for one in part.as_numpy_iterator()] for name, part in parts.items()}
        assert {name: len(pixels) for name, pixels in seen.items()} == {"train": 33, "valid": 12, "test": 15}
        numbers = {name: {int(number) for _, number in pixels} for name, pixels in seen.items()}
        assert sum(map(len, numbers.values())) == len(set.union(*numbers.values())) == 20
        assert len({tuple(pixel) for pixels in seen.values() for pixel in pixels}) == 60
    assert {int(number) for number in data.valid_images[:, 0, 0, 1]} == numbers["valid"]
    assert (source.test_split, pipeline.size("test")) == ("test", 15)


def test_a_task_without_a_layout_reads_the_images_of_class_folders(folder: Path) -> None:
    source = open_source(DataSettings(dataset=f"folder:{folder}", image_size=4), "ink_column.task:InkColumn").source
    assert source.size("train") == 60


@pytest.mark.parametrize("name", ["dog\ncat", "dog\u2028", os.fsdecode(b"caf\xe9")])
def test_names_of_classes_are_one_line_each(folder: Path, name: str) -> None:
    """They are written into lists, in which a line is a class; a search must not end when it writes its best files."""
    for split in ("train", "test"):
        (folder / split / "dog").rename(folder / split / name)
    with pytest.raises(UsageError, match=r"class name '.*\\.*' cannot be written into a list .*: rename it"):
        image_source(DataSettings(dataset=f"folder:{folder}", image_size=4))
