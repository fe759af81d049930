"""Images and targets of a Python program become a data set whose images and targets are the same."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import UsageError
from rl_nas.tasks.sources import open_source
from rl_nas.workflows.arrays import Given, write_arrays

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (70, 4, 6, 3)).astype(np.uint8)
CLASSES = np.arange(70) % 3


def written(folder: Path, images: Any, targets: Any = None, names: Any = None, **more: Given) -> list[str]:
    told: list[str] = []
    write_arrays(folder, {"train": Given("x", images, targets), **more}, names, told.append)
    return told


def read(folder: Path, task: str | None = None) -> tuple[list[tuple[bytes, bytes]], tuple[str, ...]]:
    """All training examples, in an order of their own, and the names of the classes."""
    settings = DataSettings(dataset=f"dir:{folder}", valid_images=0, image_size="4x6")
    source = open_source(settings, task, tell=lambda line: None).source
    examples = source.part("train").map(source.decode_both if task else lambda png, kept: (source.decode(png), kept))
    return sorted(
        (image.tobytes(), target.tobytes()) for image, target in examples.as_numpy_iterator()
    ), source.class_names


def expected(images: np.ndarray, targets: np.ndarray) -> list[tuple[bytes, bytes]]:
    return sorted((image.tobytes(), target.tobytes()) for image, target in zip(images, targets, strict=True))


@pytest.mark.parametrize(
    ("images", "targets", "names"),
    [
        (IMAGES, CLASSES, None),
        (IMAGES.astype(np.float64), CLASSES[:, np.newaxis].astype(np.float32), ["a", "b", "c"]),
        (IMAGES / 255, np.eye(3)[CLASSES], None),
        (IMAGES.tolist(), np.array(["b", "c", "d"])[CLASSES].tolist(), None),
        (IMAGES, tf.constant(CLASSES), None),
    ],
)
def test_arrays_of_any_form_are_the_same_images(images: Any, targets: Any, names: Any, tmp_path: Path) -> None:
    told = written(tmp_path, images, targets, names)
    found, classes = read(tmp_path)
    assert found == expected(IMAGES, CLASSES)
    texts = isinstance(targets, list)
    assert classes == (("b", "c", "d") if texts else tuple(names or "012"))
    unit = isinstance(images, np.ndarray) and images.max() <= 1
    assert told == (["x: pixels of 0 to 1 are kept as 256 levels, as of image files"] if unit else [])


def test_pixels_that_are_all_dark_are_told(tmp_path: Path) -> None:
    """Such as the digits of scikit-learn, of 0 to 16: they may be of another range than they are taken for."""
    (line,) = written(tmp_path, IMAGES // 16, CLASSES)
    assert line == "x: no pixel is above 15 of 255; if that is their white, multiply them"


def test_datasets_batched_or_not_are_the_same_images(tmp_path: Path) -> None:
    dataset = tf.data.Dataset.from_tensor_slices((tf.cast(IMAGES, tf.float32), CLASSES))
    for number, one in enumerate((dataset, dataset.batch(9))):
        written(tmp_path / str(number), one)
        assert read(tmp_path / str(number))[0] == expected(IMAGES, CLASSES)


def test_masks_are_targets_of_segmentation(tmp_path: Path) -> None:
    masks = RNG.integers(0, 3, (70, 4, 6)).astype(np.int64)
    masks[:, 0, 0] = 255  # does not count
    written(tmp_path, IMAGES, masks, ["sky", "road", "car"])
    found, classes = read(tmp_path, "segmentation")
    assert classes == ("sky", "road", "car")
    assert found == expected(IMAGES, masks.astype(np.uint8))


def test_folders_of_keras_and_images_of_several_sizes(tmp_path: Path) -> None:
    for number, name in enumerate(("cats", "dogs")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        keras.utils.save_img(tmp_path / "photos" / name / "1.png", IMAGES[number], scale=False)
    folder = keras.utils.image_dataset_from_directory(tmp_path / "photos", image_size=(4, 6), verbose=False)
    written(tmp_path / "data", folder, names=folder.class_names)
    assert read(tmp_path / "data") == (expected(IMAGES[:2], np.arange(2)), ("cats", "dogs"))
    sizes = tf.data.Dataset.from_generator(
        lambda: ((np.full((4 + n, 6, 1), n, np.uint8), n) for n in range(2)),
        output_signature=(tf.TensorSpec([None, None, 1], tf.uint8), tf.TensorSpec([], tf.int64)),
    )
    written(tmp_path / "sizes", sizes)
    assert len(read(tmp_path / "sizes")[0]) == 2


def test_splits_have_classes_in_common(tmp_path: Path) -> None:
    more = Given("validation_data", IMAGES[:2], ["c", "d"])
    written(tmp_path, IMAGES, np.array(["a", "b", "c"])[CLASSES], validation=more)
    source = open_source(
        DataSettings(dataset=f"dir:{tmp_path}", valid_split="validation"), tell=lambda line: None
    ).source
    assert source.class_names == ("a", "b", "c", "d")
    assert (source.images("train"), source.images("valid")) == (70, 2)


@pytest.mark.parametrize(
    ("images", "targets", "names", "message"),
    [
        (IMAGES, None, None, "x is ndarray without targets; expected images [examples, height, width, channels]"),
        (IMAGES, CLASSES[1:], None, "x has 70 images and 69 targets; expected a target for each image"),
        (IMAGES[0, 0], CLASSES[:6], None, "x is uint8 [6, 3]; expected images [examples, height"),
        (IMAGES[:0], CLASSES[:0], None, "x holds no examples"),
        (IMAGES[..., :2], CLASSES, None, "x has images [4, 6, 2]; expected [height, width, channels], 1 or 3 channels"),
        (IMAGES / 127.5 - 1, CLASSES, None, "x has pixels of -1 to 1; expected 0 to 1 as in its first images"),
        (IMAGES * 2.0, CLASSES, None, "x has pixels of 0 to 510; expected 0 to 255, or 0 to 1"),
        (IMAGES * np.nan, CLASSES, None, "x has pixels of nan to nan; expected"),
        (IMAGES, CLASSES - 1, None, "targets such as [-1, 0, 1]; expected class numbers, from 0, or texts"),
        (IMAGES, CLASSES + 0.5, None, "targets such as [0.5, 1.5, 2.5]; expected class numbers"),
        (IMAGES, np.full((70, 2), 0.5), None, "targets of shape [70, 2] are not one-hot; expected one class an image"),
        (IMAGES, np.zeros((70, 4, 5)), None, "targets of shape [70, 4, 5] are neither classes nor masks"),
        (IMAGES, CLASSES, ["a", "b"], "class 2 has no name; class_names has 2"),
        (IMAGES, ["e"] * 70, ["a", "b"], "target 'e' is none of class_names a, b"),
    ],
)
def test_what_is_no_data_is_refused(images: Any, targets: Any, names: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        written(tmp_path, images, targets, names)
    assert message in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_datasets_that_are_none_of_pairs_or_have_no_end_are_refused(tmp_path: Path) -> None:
    pairs = tf.data.Dataset.from_tensor_slices((IMAGES, CLASSES))
    for dataset, targets, message in (
        (pairs.repeat(), None, "without an end; leave out its repeat"),
        ([pairs, pairs], None, "several datasets; give the first as x, the second as validation_data"),
        ([[1], [1, 2]], [0, 1], "x is no array .setting an array element"),
        (pairs, CLASSES, "brings its targets; leave out the second argument"),
        (pairs.map(lambda image, label: image), None, "expected pairs: .image, target."),
    ):
        with pytest.raises(UsageError, match=message):
            written(tmp_path, dataset, targets)
