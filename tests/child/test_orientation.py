"""Images of cameras are turned as their EXIF says, and so may be their targets."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from classifying import image_data, image_source

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.image_header import read_image_header
from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.orientation import orientation, turned
from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.tasks.classification.folder import class_folder
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.predictor import ImageFile, Predictor
from rl_nas.workflows.predict import opened, predict_files

STORED = np.kron(np.array([[[250, 0, 0], [0, 250, 0], [0, 0, 250]], [[9, 9, 9], [90, 90, 90], [250, 250, 250]]]), 1)
STORED = STORED.astype(np.uint8).repeat(32, axis=0).repeat(32, axis=1)  # 64x96: six squares of one color each


def jpeg(number: int | None, tag: int = 0x0112) -> bytes:
    exif = PIL.Image.Exif()
    if number is not None:
        exif[tag] = number
    file = io.BytesIO()
    PIL.Image.fromarray(STORED).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def as_others_show(content: bytes) -> np.ndarray:
    return np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(content))))


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def read(content: tf.Tensor) -> tf.Tensor:
    return turned(tf.io.decode_image(content, channels=3, expand_animations=False), orientation(content))


@pytest.mark.parametrize("number", range(1, 9))
def test_images_are_turned_as_another_library_turns_them(number: int) -> None:
    content = jpeg(number)
    assert int(orientation(tf.constant(content))) == number
    found, expected = read(content).numpy().astype(int), as_others_show(content).astype(int)
    assert found.shape == expected.shape == ((96, 64, 3) if number > 4 else (64, 96, 3))
    assert np.abs(found - expected).mean() < 1  # of a square's color another one differs by far more


@pytest.mark.parametrize("content", [jpeg(None), jpeg(0), jpeg(9), jpeg(77), jpeg(6, tag=0x0100)])
def test_without_an_orientation_pixels_stay_as_they_are(content: bytes) -> None:
    np.testing.assert_array_equal(read(content), tf.io.decode_image(content))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xffExif\0\0", jpeg(6)[:40], b"no image"])
def test_what_is_no_image_is_upright(content: bytes) -> None:
    assert int(orientation(tf.constant(content))) == 1


def test_other_formats_are_not_turned() -> None:
    content = tf.io.encode_png(STORED)
    np.testing.assert_array_equal(read(content), STORED)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The same scene, once photographed upright and once with the camera on its side."""
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
    lying = np.rot90(STORED)  # to be turned clockwise
    for name, image, number in (("0", STORED, 1), ("1", lying, 6), ("2", STORED, 1), ("3", lying, 6)):
        exif = PIL.Image.Exif()
        exif[0x0112] = number
        folder = tmp_path / "train" / "ab"[int(name) // 2]
        PIL.Image.fromarray(image).save(folder / f"{name}.jpg", quality=95, exif=exif)
    return tmp_path


def test_searches_and_trainings_see_upright_photos(photos: Path) -> None:
    settings = DataSettings(dataset=f"folder:{photos}", image_size="64x96", valid_images=1)
    data, pipeline = image_data(settings), InputPipeline(image_source(settings), InputPipelineSettings(), seed=0)
    (trained, _), (measured, _, _) = next(iter(pipeline.train(0, 3))), next(iter(pipeline.measured("valid", 1)))
    for images in (data.train_images, data.valid_images, trained.numpy(), measured.numpy()):
        assert np.abs(images.astype(int) - STORED).mean() < 4


class Sides(tf.Module):
    """Serves the mean brightness of an image's upper and lower half."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        half = tf.shape(images)[1] // 2
        parts = [tf.reduce_mean(tf.cast(part, tf.float32), [1, 2, 3]) for part in (images[:, :half], images[:, half:])]
        return {"probabilities": tf.stack(parts, axis=1)}


@pytest.mark.parametrize("number", range(1, 9))
def test_predictions_are_for_upright_photos(tmp_path: Path, number: int) -> None:
    module = Sides()
    tf.saved_model.save(module, tmp_path / "model", signatures={"serving_default": module.serve})
    (tmp_path / "photo.jpg").write_bytes(jpeg(number))
    seen = as_others_show(jpeg(number)).astype(float)
    expected = {"upper": seen[: len(seen) // 2].mean(), "lower": seen[len(seen) // 2 :].mean()}
    file = ImageFile("photo.jpg", tmp_path / "photo.jpg")
    (one,) = predict_files(Classification(), opened(tmp_path / "model"), ("upper", "lower"), Predictor(), [file], 2, {})
    assert {one["class"]: one["probability"] for one in one.value} == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("size", [None, (64, 96)], ids=["of any size", "of one size"])
def test_a_target_is_turned_like_its_image(photos: Path, size: tuple[int, int] | None) -> None:
    """The target is the red channel of the file itself, turned by the orientation that its frame tells."""
    examples = class_folder(str(photos))
    assert examples is not None
    examples.features["image"] = tfds.features.Image(shape=(*(size or (None, None)), 3))

    def red(kept: tf.Tensor, frame: tuple[tf.Tensor, tuple[int, int], tf.Tensor]) -> tf.Tensor:
        original, _, number = frame
        stored = tf.io.decode_image(kept, channels=3, expand_animations=False)[..., :1]
        target = turned(stored, number)
        tf.debugging.assert_equal(tf.shape(target)[:2], original)
        return target

    annotation = Annotation("image", (), lambda example: example["image"], decode=red)
    image_size = None if size else "64x96"
    source = ImageSource(DataSettings(dataset="photos", image_size=image_size, valid_images=1), examples, annotation)
    decoded = source.part("train").map(source.decode_both)
    assert len(list(decoded)) == 3
    for image, target in decoded:
        assert source.resize(image).shape == (64, 96, 3)
        np.testing.assert_array_equal(image[..., :1], target)


@pytest.mark.parametrize("number", range(10))
def test_a_header_tells_the_size_that_others_show(number: int) -> None:
    header = read_image_header(io.BytesIO(jpeg(number)), ("JPEG",))
    assert header.stored == (64, 96)
    assert header.seen == as_others_show(jpeg(number)).shape[:2]
    assert header.orientation == int(orientation(tf.constant(jpeg(number))))
