"""The examples of a data set: encoded images and targets, with images held out of the training split."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.annotation import Annotation, Frame, Target
from rl_nas.child.data.image_folder import folder_bytes, unreadable_image
from rl_nas.child.data.settings import DataSettings
from rl_nas.errors import UsageError
from rl_nas.networks.layer import Shape

UNUSED, TRAIN, VALID = 0, 1, 2
"""Roles of the examples of the training split."""


class ImageSource:
    """The encoded images and the targets of a data set.

    Which images are held out depends on `split_seed` alone, so that searches and trainings hold out the same.

    Attributes:
        settings: which data set, and how it is split.
        name: of the data set.
        annotation: where its targets stand.
        shape: height, width, channels of the decoded images.
        class_names: one per class.
        roles: int8 [examples of the training split], each UNUSED, TRAIN or VALID.
    """

    def __init__(self, settings: DataSettings, builder: Any, annotation: Annotation) -> None:
        """Splits the training examples.

        Args:
            settings: how to split.
            builder: from `prepared_builder`.
            annotation: of the task at hand.

        Raises:
            UsageError: there is no training split, or it is too small for the settings.
        """
        self.settings, self.name, self.annotation = settings, settings.dataset, annotation
        self._builder = builder
        if "train" not in builder.info.splits:
            splits = ", ".join(builder.info.splits)
            raise UsageError(f"--dataset={self.name} has splits {splits}; expected one named train")
        self._feature = builder.info.features[annotation.image]
        self.shape = _image_shape(self._feature.shape, settings)
        self.class_names = annotation.class_names
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
        """The split for the final measurement: `test`; `validation` or `val` if that is absent or secret.

        Raises:
            UsageError: the data set has none of them.
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
        """Numbers in the split, encoded images and targets as they are kept: a dataset of (int64, string, target).

        Args:
            split: name of a split.
            shuffle_seed: order of the files; None: their own.
        """
        image, read = self.annotation.image, self.annotation.read
        decoders = {name: tfds.decode.SkipDecoding() for name in (image, *self.annotation.encoded)}
        if isinstance(self._builder, tfds.ImageFolder):  # its order is random already, always the same
            dataset = self._builder.as_dataset(split=split, decoders=decoders).enumerate()
            return dataset.map(lambda index, example: (index, example[image], read(example)))
        offsets = tf.constant(np.cumsum([0, *self._builder.info.splits[split].shard_lengths]), tf.int64)

        def number(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, Target]:
            # The id is NAME-SPLIT.tfrecord-SHARD-of-SHARDS__NUMBER: files are read interleaved, in any order.
            file, within = tf.unstack(tf.strings.split(example["tfds_id"], "__"), 2)
            shard = tf.strings.regex_replace(file, r".*-(\d+)-of-\d+$", r"\1")
            index = tf.gather(offsets, tf.strings.to_number(shard, tf.int64)) + tf.strings.to_number(within, tf.int64)
            return index, example[image], read(example)

        dataset = self._builder.as_dataset(
            split=split,
            decoders=decoders,
            read_config=tfds.ReadConfig(try_autocache=False, add_tfds_id=True, shuffle_seed=shuffle_seed),
            shuffle_files=shuffle_seed is not None,
        )
        return dataset.map(number, num_parallel_calls=tf.data.AUTOTUNE)

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes an image: uint8 [height, width, channels] as `shape` says."""
        return self.resize(self.decode_whole(encoded))

    def decode_target(self, kept: Target, image: tf.Tensor) -> Target:
        """Decodes the target of an image, which is given in its own size."""
        return self.annotation.decode(kept, Frame(tf.shape(image)[:2], self.shape[:2]))

    def resize(self, image: tf.Tensor) -> tf.Tensor:
        """Resizes a decoded image: uint8 [height, width, channels] as `shape` says."""
        if tuple(self._feature.shape[:2]) != self.shape[:2]:
            image = tf.cast(tf.round(tf.image.resize(image, self.shape[:2], antialias=True)), tf.uint8)
        return tf.ensure_shape(image, self.shape)

    def decode_whole(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes an image in its own size, uint8."""
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
            raise UsageError(f"{file} cannot be decoded; fix or remove it") from error


def _image_shape(shape: tuple[int | None, ...], settings: DataSettings) -> Shape:
    height, width, channels = shape
    if settings.size is not None:
        height, width = settings.size
    if height is None or width is None:
        raise UsageError(f"images of {settings.dataset} differ in size; give one to all with --image_size")
    return height, width, channels or 3


def _assign_roles(examples: int, settings: DataSettings) -> np.ndarray:
    """The role of every example of the training split."""
    held_out = settings.valid_images
    if held_out is None:
        held_out = max(1, round(settings.valid_fraction * examples))
    train = settings.train_images or examples - held_out
    if train < 1 or train + held_out > examples:
        raise UsageError(
            f"{settings.dataset} has {examples} training images; {train} to train on and {held_out} held"
            " out are too many: lower --train_images or --valid_images"
        )
    order = np.random.default_rng(settings.split_seed).permutation(examples)
    roles = np.full(examples, UNUSED, np.int8)
    roles[order[:held_out]] = VALID
    roles[order[held_out : held_out + train]] = TRAIN
    return roles
