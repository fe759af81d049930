"""Folders of images as data sets."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from classifying import image_data

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of one colour: the class is in the red, the number in the green channel."""
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
    with pytest.raises(UsageError, match=r"expected images as .*train/CLASS/NAME.png"):
        image_data(DataSettings(dataset=f"folder:{folder / 'train'}", image_size=4))
    with pytest.raises(UsageError, match="give one to all with --image_size"):
        image_data(DataSettings(dataset=f"folder:{folder}"))
    broken = folder / "train" / "dog" / "7.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UsageError, match=f"{broken} cannot be decoded"):
        image_data(DataSettings(dataset=f"folder:{folder}", image_size=4))
    empty = tmp_path / "empty"
    (empty / "train" / "cat").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no \.png, \.jpg or \.jpeg"):
        image_data(DataSettings(dataset=f"folder:{empty}", image_size=4))
