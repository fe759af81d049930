"""Streams: every image once an epoch, the same order for the same seed, and what a stopped epoch still lacks."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import image_data, image_source

from rl_nas.child.data.augmentation import mix_up
from rl_nas.child.data.host_augmentation import HostAugmenter
from rl_nas.child.data.input_pipeline import InputPipeline, Shard
from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.child.data.source import ImageSource

DIGITS = DataSettings(dataset="digits", valid_images=97, train_images=1000)
BATCH = 50


@pytest.fixture(scope="module")
def source() -> ImageSource:
    return image_source(DIGITS)


@pytest.fixture(scope="module", params=[4.0, 0.0], ids=["in memory", "from files"])
def pipeline(request: pytest.FixtureRequest, source: ImageSource) -> InputPipeline:
    return InputPipeline(source, InputPipelineSettings(memory_gib=request.param, shuffle_buffer=300), seed=7)


def images_of(dataset: tf.data.Dataset) -> np.ndarray:
    return np.concatenate([batch[0] for batch in dataset.as_numpy_iterator()])


def as_set(images: np.ndarray) -> list[bytes]:
    return sorted(image.tobytes() for image in images)


def test_an_epoch_is_every_training_image_once_in_another_order(pipeline: InputPipeline) -> None:
    first, again, second = (images_of(pipeline.train(epoch, BATCH)) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert as_set(first) == as_set(second)
    assert as_set(first) == as_set(image_data(DIGITS).train_images)


def test_an_epoch_goes_on_where_it_stopped(pipeline: InputPipeline) -> None:
    whole = images_of(pipeline.train(3, BATCH))
    np.testing.assert_array_equal(images_of(pipeline.train(3, BATCH, start=6 * BATCH)), whole[6 * BATCH :])


def test_workers_share_every_batch(pipeline: InputPipeline) -> None:
    """The images of a step are the same however many processes and devices it is cut into."""
    whole = images_of(pipeline.train(1, BATCH)).reshape(-1, BATCH, 8, 8, 1)
    parts = [images_of(pipeline.train(1, BATCH, 0, Shard(2, 2, worker))) for worker in range(2)]
    dealt = np.concatenate([part.reshape(-1, BATCH // 2, 8, 8, 1) for part in parts], axis=1)
    for batch, together in zip(whole, dealt, strict=True):
        assert as_set(batch) == as_set(together)


def test_the_measured_are_all_held_out_images_and_weightless_filling(pipeline: InputPipeline) -> None:
    batches = list(pipeline.measured("valid", 40).as_numpy_iterator())
    images, labels, weights = (np.concatenate(column) for column in zip(*batches, strict=True))
    assert len(images) == 120
    held_out = image_data(DIGITS)
    np.testing.assert_array_equal(weights, [1.0] * 97 + [0.0] * 23)
    np.testing.assert_array_equal(images[:97], held_out.valid_images)
    np.testing.assert_array_equal(labels[:97], held_out.valid_targets)


def test_whitening_is_that_of_a_search(pipeline: InputPipeline) -> None:
    searched, normalization = image_data(DIGITS), pipeline.normalization()
    np.testing.assert_allclose(normalization, searched.normalization(), rtol=1e-6)
    whitened = normalization(searched.train_images)
    assert float(tf.reduce_mean(whitened)) == pytest.approx(0.0, abs=1e-5)
    assert float(tf.math.reduce_std(whitened)) == pytest.approx(1.0, rel=1e-5)


def folder_of_photos(tmp_path: Path, width: int = 60, height: int = 40) -> DataSettings:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(4):
            smooth = keras.utils.array_to_img(np.kron(rng.integers(0, 255, (4, 6, 3)), np.ones((10, 10, 1))))
            smooth.resize((width, height)).save(tmp_path / "train" / name / f"{number}.png")
    return DataSettings(dataset=f"folder:{tmp_path}", image_size=32, valid_images=1)


@pytest.mark.parametrize(
    "settings",
    [
        InputPipelineSettings(inception_crop=True),
        InputPipelineSettings(color=1.0),
        InputPipelineSettings(rand_augment=2),
        InputPipelineSettings(inception_crop=True, color=0.5, rand_augment=1),
    ],
    ids=["crop", "color", "operations", "all"],
)
def test_host_augmentation_is_a_function_of_its_seed(settings: InputPipelineSettings, tmp_path: Path) -> None:
    source = image_source(folder_of_photos(tmp_path))
    augmenter = tf.function(HostAugmenter(source, settings))
    _, encoded, _ = next(iter(source.encoded("train")))
    image = source.decode_whole(encoded)
    results = [augmenter(image, tf.constant([3, n], tf.int64)).numpy() for n in range(12)]
    assert all(image.shape == (32, 32, 3) and image.dtype == np.uint8 for image in results)
    np.testing.assert_array_equal(results[5], augmenter(image, tf.constant([3, 5], tf.int64)))
    assert len({image.tobytes() for image in results}) > 6
    # It is still the same picture, more or less: its colors do not all end at one value.
    assert np.median([image.std() for image in results]) > 10


def test_inception_crops_are_parts_and_the_middle_is_the_middle(tmp_path: Path) -> None:
    # The red value is the column, the green one the row.
    columns, rows = np.meshgrid(np.arange(160), np.arange(80))
    ramp = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        keras.utils.array_to_img(ramp, scale=False).save(tmp_path / "train" / name / "0.png")
    source = image_source(DataSettings(dataset=f"folder:{tmp_path}", image_size=40, valid_images=1))
    pipeline = InputPipeline(source, InputPipelineSettings(inception_crop=True), seed=0)
    middle = images_of(pipeline.measured("valid", 1))[0].astype(float)
    # 87.5 % of 160 columns are those from 10 to 150, of which one of 40 pixels averages 3.5.
    np.testing.assert_allclose(middle[0, :, 0], 10 + 3.5 * (np.arange(40) + 0.5) - 0.5, atol=1.6)
    np.testing.assert_allclose(middle[:, 0, 1], 5 + 1.75 * (np.arange(40) + 0.5) - 0.5, atol=1.6)
    augmenter = tf.function(HostAugmenter(source, InputPipelineSettings(inception_crop=True)))
    _, encoded, _ = next(iter(source.encoded("train")))
    for n in range(30):
        part = augmenter(source.decode_whole(encoded), tf.constant([0, n], tf.int64)).numpy().astype(float)
        width, height = (part[..., axis].max() - part[..., axis].min() + 1 for axis in (0, 1))
        assert 0.05 < width * height / ramp[..., 0].size <= 1.0
        assert 0.6 < width / height < 1.5


def test_mixed_images_and_labels_keep_their_shares() -> None:
    labels = tf.one_hot(tf.range(6), 6)
    images = tf.reshape(labels, [6, 6, 1, 1])  # each image says which one it is
    shares = []
    for n in range(200):
        mixed, mixed_labels = mix_up(images, labels, tf.constant([0, n], tf.int64), alpha=0.4)
        np.testing.assert_allclose(tf.reshape(mixed, [6, 6]), mixed_labels)
        np.testing.assert_allclose(tf.reduce_sum(mixed_labels, axis=1), 1.0, rtol=1e-6)
        own = tf.linalg.diag_part(mixed_labels).numpy()
        shares.append(own[own < 1 - 1e-6].mean() if np.any(own < 1 - 1e-6) else np.nan)
    # Beta(0.4, 0.4) has mean 1/2 and variance 1 / (4 (2 * 0.4 + 1)).
    assert np.nanmean(shares) == pytest.approx(0.5, abs=0.1)
    assert np.nanvar(shares) == pytest.approx(1 / 7.2, rel=0.25)


def test_a_data_set_that_must_be_downloaded_by_hand_says_how(tmp_path: Path) -> None:
    from rl_nas.errors import UsageError

    with pytest.raises(UsageError, match=r"ILSVRC2012_img_train\.tar.*tfds build imagenet2012"):
        image_source(DataSettings(dataset="imagenet2012", data_dir=str(tmp_path)))
