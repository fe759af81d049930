"""Where images come from: a TFDS data set or a folder, made ready, with images held out of its training split."""

import contextlib
import difflib
import io
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.image_folder import folder_bytes, image_folder, unreadable_image
from rl_nas.child.settings import FOLDER, DataSettings
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.layers import Shape

UNUSED, TRAIN, VALID = 0, 1, 2
"""What an example of the training split is for."""

_DOWNLOAD_HOST = ("storage.googleapis.com", 443)
_BY_HAND = {
    "imagenet2012": (
        "download ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org (an account is needed) into"
        " {manual}, then run: tfds build imagenet2012"
    )
}
"""Data set -> how to prepare what TFDS may not download."""


class ImageSource:
    """The encoded images and the labels of a data set for image classification.

    Which images are held out depends on `split_seed` alone, so that searches and trainings hold out the same.

    Attributes:
        settings: which data set, and how it is split.
        name: of the data set.
        shape: height, width, channels of the decoded images.
        class_names: one per class.
        roles: int8 [examples of the training split], each UNUSED, TRAIN or VALID.
    """

    def __init__(self, settings: DataSettings) -> None:
        """Finds the data set, and downloads and prepares it if it is not.

        Raises:
            UsageError: the data set is unknown, absent, not for image classification, or too small for what is asked.
        """
        self.settings, self.name = settings, settings.dataset
        self._builder = _prepared_builder(settings)
        self._image_key, self._label_key = _classification_keys(self._builder)
        features = self._builder.info.features
        self._feature = features[self._image_key]
        self.shape = _image_shape(self._feature.shape, settings)
        self.class_names = tuple(features[self._label_key].names)
        self.roles = _assign_roles(self.size("train"), settings)

    def size(self, split: str) -> int:
        """Number of examples of a split."""
        return int(self._builder.info.splits[split].num_examples)

    def bytes(self, split: str) -> int:
        """Size of a split on the disk."""
        if isinstance(self._builder, tfds.ImageFolder):
            return folder_bytes(self.name, split)
        return int(self._builder.info.splits[split].num_bytes)

    def count(self, role: int) -> int:
        """Number of examples of the training split with a role."""
        return int(np.count_nonzero(self.roles == role))

    @property
    def test_split(self) -> str:
        """The split for the final measurement: `test`; `validation` or `val` where that is absent or its labels secret.

        Raises:
            UsageError: the data set has neither.
        """
        splits = self._builder.info.splits
        names = ("test", "validation", "val")
        for name in reversed(names) if self._builder.name == "imagenet2012" else names:
            if name in splits and splits[name].num_examples:
                return name
        raise UsageError(
            f"--dataset={self.name} has no split {', '.join(names)} for the final measurement; it has"
            f" {', '.join(splits)}: leave it out with --nofinal_test"
        )

    def encoded(self, split: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Numbers in the split, encoded images and labels: a dataset of (int64, string, int64).

        Args:
            split: name of a split.
            shuffle_seed: read the files in an order that depends on it; otherwise in their own.
        """
        image_key, label_key = self._image_key, self._label_key
        decoders = {image_key: tfds.decode.SkipDecoding()}
        if isinstance(self._builder, tfds.ImageFolder):  # its order is one of chance already, always the same
            dataset = self._builder.as_dataset(split=split, decoders=decoders).enumerate()
            return dataset.map(lambda index, example: (index, example[image_key], example[label_key]))
        offsets = tf.constant(np.cumsum([0, *self._builder.info.splits[split].shard_lengths]), tf.int64)

        def number(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # The id is NAME-SPLIT.tfrecord-SHARD-of-SHARDS__NUMBER: files are read in turns, in any order.
            file, within = tf.unstack(tf.strings.split(example["tfds_id"], "__"), 2)
            shard = tf.strings.regex_replace(file, r".*-(\d+)-of-\d+$", r"\1")
            index = tf.gather(offsets, tf.strings.to_number(shard, tf.int64)) + tf.strings.to_number(within, tf.int64)
            return index, example[image_key], example[label_key]

        dataset = self._builder.as_dataset(
            split=split,
            decoders=decoders,
            read_config=tfds.ReadConfig(try_autocache=False, add_tfds_id=True, shuffle_seed=shuffle_seed),
            shuffle_files=shuffle_seed is not None,
        )
        return dataset.map(number, num_parallel_calls=tf.data.AUTOTUNE)

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """The image of an encoded one, uint8 [height, width, channels] as `shape` says."""
        image = self.decode_whole(encoded)
        if tuple(self._feature.shape[:2]) != self.shape[:2]:
            image = tf.cast(tf.round(tf.image.resize(image, self.shape[:2], antialias=True)), tf.uint8)
        return tf.ensure_shape(image, self.shape)

    def decode_whole(self, encoded: tf.Tensor) -> tf.Tensor:
        """The image in its own size, uint8."""
        return self._feature.decode_example(encoded)

    @contextlib.contextmanager
    def decoding_errors(self) -> Iterator[None]:
        """Turns the error of an image file that cannot be decoded into one line with its name."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            file = unreadable_image(self._builder) if isinstance(self._builder, tfds.ImageFolder) else None
            if file is None:
                raise
            raise UsageError(f"{file} cannot be decoded; mend or remove it") from error


def _prepared_builder(settings: DataSettings) -> Any:
    from rl_nas.child.data import digits  # noqa: F401  (its import registers the data set)

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
        raise UsageError(f"--dataset={name}: {first_line(error)}") from error
    if not builder.is_prepared():
        _prepare(builder)
    return builder


def _prepare(builder: Any) -> None:
    """Downloads and prepares a data set; without a network it says so at once instead of after minutes."""
    place = Path(builder.data_dir).parent.parent
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not _manual_files(builder):
        raise UsageError(
            f"data set {builder.name} is not prepared in {place}, and must be downloaded by hand: {_by_hand(builder)};"
            " give the folder of the prepared data set with --data_dir"
        )
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
        raise UsageError(f"cannot prepare data set {builder.name} in {place}: {first_line(error)}") from error


def _manual_files(builder: Any) -> bool:
    """Whether something lies where TFDS looks for what was downloaded by hand."""
    folder = _manual_folder(builder)
    return folder.is_dir() and any(folder.iterdir())


def _manual_folder(builder: Any) -> Path:
    return Path(builder.data_dir).parent.parent / "downloads" / "manual"


def _by_hand(builder: Any) -> str:
    """How to prepare a data set that TFDS may not download."""
    if builder.name in _BY_HAND:
        return _BY_HAND[builder.name].format(manual=_manual_folder(builder))
    return f"put its files into {_manual_folder(builder)} (tensorflow.org/datasets/catalog/{builder.name})"


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
    held_out = settings.valid_images
    if held_out is None:
        held_out = max(1, round(settings.valid_fraction * examples))
    train = settings.train_images or examples - held_out
    if train < 1 or train + held_out > examples:
        raise UsageError(
            f"{settings.dataset} has {examples} training images; {train} to train on and {held_out} held"
            " out do not fit: lower --train_images or --valid_images"
        )
    order = np.random.default_rng(settings.split_seed).permutation(examples)
    roles = np.full(examples, UNUSED, np.int8)
    roles[order[:held_out]] = VALID
    roles[order[held_out : held_out + train]] = TRAIN
    return roles
