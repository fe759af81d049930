"""Image classification data from TFDS: the training split, with images held out for the reward."""

import contextlib
import difflib
import io
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.image_folder import image_folder, unreadable_image
from rl_nas.child.settings import FOLDER, DataSettings
from rl_nas.errors import UsageError
from rl_nas.networks.layers import Shape

MEMORY_LIMIT = 8 * 2**30
"""Bytes of decoded images that a search keeps in memory at most."""

_UNUSED, _TRAIN, _VALID = 0, 1, 2
_READ_BATCH = 512
_DOWNLOAD_HOST = ("storage.googleapis.com", 443)


@dataclass(frozen=True)
class ImageData:
    """Decoded images in memory.

    Attributes:
        train_images: uint8 [images, height, width, channels].
        train_labels: int64 [images].
        valid_images: like `train_images`, held out of the same training split.
        valid_labels: int64 [images].
        class_names: one per class.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    valid_images: np.ndarray
    valid_labels: np.ndarray
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> Shape:
        """Height, width, channels."""
        height, width, channels = self.train_images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every channel over the training images, in 0 to 255."""
        pixels = self.train_images.reshape(-1, self.train_images.shape[-1])
        mean = pixels.mean(axis=0, dtype=np.float64)
        deviation = np.sqrt(np.mean(np.square(pixels, dtype=np.float64), axis=0) - mean**2)
        return mean.astype(np.float32), np.maximum(deviation, 1.0).astype(np.float32)


def load_images(settings: DataSettings) -> ImageData:
    """Reads the training split of a TFDS data set and holds random images out of it.

    Which images are held out depends on `split_seed` alone.

    Raises:
        UsageError: the data set is unknown, absent, not for image classification, too large for
            memory, or too small for what is asked.
    """
    builder = _prepared_builder(settings)
    image_key, label_key = _classification_keys(builder)
    shape = _image_shape(builder.info.features[image_key].shape, settings)
    roles = _assign_roles(builder.info.splits["train"].num_examples, settings)
    _check_memory(int(np.count_nonzero(roles)), shape)
    images, labels, kept = _read(builder, image_key, label_key, shape, roles)
    train, valid = kept == _TRAIN, kept == _VALID
    return ImageData(
        train_images=images[train],
        train_labels=labels[train],
        valid_images=images[valid],
        valid_labels=labels[valid],
        class_names=tuple(builder.info.features[label_key].names),
    )


def _prepared_builder(settings: DataSettings) -> Any:
    from rl_nas.child import digits  # noqa: F401  (its import registers the data set)

    name, data_dir = settings.dataset, settings.data_dir
    if name.startswith(FOLDER):
        return image_folder(name)
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        near = difflib.get_close_matches(name, [*tfds.list_builders(), "digits"], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; names: tensorflow.org/datasets/catalog"
        raise UsageError(f"unknown data set --dataset={name}{hint}") from error
    except (ValueError, AssertionError) as error:
        raise UsageError(f"--dataset={name}: {_first_line(error)}") from error
    if not builder.is_prepared():
        _prepare(builder)
    return builder


def _prepare(builder: Any) -> None:
    """Downloads and prepares a data set; without a network it says so at once instead of after minutes."""
    place = Path(builder.data_dir).parent.parent
    if builder.name != "digits" and not _network_reachable():
        raise UsageError(
            f"data set {builder.name} is not prepared in {place}, and there is no network to download it;"
            " give the folder that holds it with --data_dir"
        )
    shown: TextIO = sys.stderr  # standard output is for results
    if builder.name == "digits":  # nothing is downloaded, and it takes a second
        tfds.disable_progress_bar()
        shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            builder.download_and_prepare(file_format="tfrecord")
    except UsageError:
        raise
    except Exception as error:  # whatever the data set's own script raises
        raise UsageError(f"cannot prepare data set {builder.name} in {place}: {_first_line(error)}") from error


def _network_reachable() -> bool:
    """Whether the host of TFDS's downloads resolves and answers; trusted blindly behind a proxy."""
    if any(name.lower() in ("https_proxy", "all_proxy") for name in os.environ):
        return True
    try:
        socket.create_connection(_DOWNLOAD_HOST, timeout=5).close()
    except OSError:
        return False
    return True


def _classification_keys(builder: Any) -> tuple[str, str]:
    """Names of the image and of the label feature."""
    features = builder.info.features
    images = [key for key, value in features.items() if isinstance(value, tfds.features.Image)]
    labels = [key for key, value in features.items() if isinstance(value, tfds.features.ClassLabel)]
    supervised = builder.info.supervised_keys or ()
    for key in reversed(supervised):
        images.sort(key=lambda k: k != key)
        labels.sort(key=lambda k: k != key)
    if not images or not labels or "train" not in builder.info.splits:
        raise UsageError(
            f"--dataset={builder.name} has features {', '.join(features)}; expected an image, a class label"
            " and a split named train"
        )
    return images[0], labels[0]


def _image_shape(shape: tuple[int | None, ...], settings: DataSettings) -> Shape:
    height, width, channels = shape
    if settings.image_size is not None:
        height = width = settings.image_size
    if height is None or width is None:
        raise UsageError(f"images of {settings.dataset} differ in size; give one to all with --image_size")
    return height, width, channels or 3


def _assign_roles(examples: int, settings: DataSettings) -> np.ndarray:
    """For every example of the training split: whether it is trained on, held out or left alone."""
    held_out = settings.valid_images or max(1, round(settings.valid_fraction * examples))
    train = settings.train_images or examples - held_out
    if train < 1 or train + held_out > examples:
        raise UsageError(
            f"{settings.dataset} has {examples} training images; {train} to train on and {held_out} held"
            " out do not fit: lower --train_images or --valid_images"
        )
    order = np.random.default_rng(settings.split_seed).permutation(examples)
    roles = np.full(examples, _UNUSED, np.int8)
    roles[order[:held_out]] = _VALID
    roles[order[held_out : held_out + train]] = _TRAIN
    return roles


def _check_memory(images: int, shape: Shape) -> None:
    size = images * int(np.prod(shape))
    if size > MEMORY_LIMIT:
        raise UsageError(
            f"{images} images of {shape[0]}x{shape[1]}x{shape[2]} are {size / 2**30:.1f} GiB; a search keeps"
            f" them in memory and takes {MEMORY_LIMIT / 2**30:.0f}: lower --train_images or --image_size"
        )


def _read(
    builder: Any, image_key: str, label_key: str, shape: Shape, roles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels and roles of the examples that are used; the others are not even decoded."""
    role_of = tf.constant(roles)
    feature = builder.info.features[image_key]

    def decode(index: tf.Tensor, example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image = feature.decode_example(example[image_key])
        if tuple(feature.shape[:2]) != shape[:2]:
            image = tf.cast(tf.round(tf.image.resize(image, shape[:2], antialias=True)), tf.uint8)
        return tf.ensure_shape(image, shape), example[label_key], role_of[index]

    dataset = builder.as_dataset(
        split="train",
        decoders={image_key: tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    dataset = dataset.enumerate().filter(lambda index, _: role_of[index] != _UNUSED)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(_READ_BATCH).prefetch(2)
    try:
        images, labels, kept = zip(*dataset.as_numpy_iterator(), strict=True)
    except tf.errors.InvalidArgumentError as error:
        which = unreadable_image(builder) if isinstance(builder, tfds.ImageFolder) else f"an image of {builder.name}"
        raise UsageError(f"{which} cannot be decoded; mend or remove it") from error
    return np.concatenate(images), np.concatenate(labels), np.concatenate(kept)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
