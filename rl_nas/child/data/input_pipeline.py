"""Images for full training as tf.data pipelines, each a function of the seed, the epoch and the position."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.data.host_augmentation import HostAugmenter, middle
from rl_nas.child.data.images import joined
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.settings import InputPipelineSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.errors import UsageError
from rl_nas.units import GIB

_STATISTICS_IMAGES = 50_000
_TARGETS = 32


class Shard(NamedTuple):
    """The part of every batch that one process reads.

    Attributes:
        replicas: pieces of a batch, one for each device of all processes.
        workers: processes that the images are split between.
        worker: the number of this one.
    """

    replicas: int = 1
    workers: int = 1
    worker: int = 0

    def of(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """The elements of this process."""
        return dataset.shard(self.workers, self.worker)


WHOLE = Shard()


class InputPipeline:
    """The images of a source, in the order of an epoch or for measuring.

    Encoded images that fit into memory are kept there, and every epoch's order is a permutation; otherwise files
    are read in a random order through a shuffle buffer. Both orders are functions of the seed and the epoch.

    Attributes:
        seed: of the orders and the augmentation.
    """

    def __init__(self, source: ImageSource, settings: InputPipelineSettings, seed: int) -> None:
        self._source, self._settings = source, settings
        if source.annotation.warp is not None and (settings.inception_crop or settings.rand_augment):
            flag = "inception_crop" if settings.inception_crop else "rand_augment"
            raise UsageError(f"--{flag} moves the pixels of images without their targets; leave it out for this task")
        self.seed = seed
        self._augmenter = HostAugmenter(source, settings)
        self._kept: dict[str, tuple[tf.Tensor, Target]] = {}
        limit = settings.memory_gib * GIB
        self._in_memory = {part: source.bytes(part) <= limit for part in ("train", "valid")}

    @property
    def train_images(self) -> int:
        """Images of an epoch."""
        return self._source.images("train")

    def train(self, epoch: int, batch: int, start: int = 0, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Batches (uint8 images, targets) of an epoch; the last partial one is dropped.

        Args:
            epoch: its number from 0.
            batch: images of a whole batch.
            start: images of the epoch to skip, as they were seen already.
            shard: the part of every batch to read.
        """
        ordered = self._permuted(epoch) if self._in_memory["train"] else self._streamed(epoch)
        dataset = shard.of(ordered.enumerate().skip(start))
        # An image's augmentation depends on its place in the training alone, whichever process computes it.
        key = tf.constant([self.seed, epoch], tf.int64)

        def decode(place: tf.Tensor, example: tuple[tf.Tensor, Target]) -> tuple[tf.Tensor, Target]:
            image, target = self._source.decode_both(*example)
            return self._augmenter(image, tf.random.fold_in(key, place)), target

        dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        return dataset.batch(batch // shard.replicas, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def measured(self, split: str, batch: int, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Batches (uint8 images, targets, float weights) of the held-out images or of another split.

        The batches are full, as many in every shard; images that fill up the last one have weight 0.

        Args:
            split: a part of the source, such as `valid` or `test`.
            batch: images of a whole batch.
            shard: the part of every batch to read.
        """
        dataset = self._held_out() if split == "valid" else self._source.part(split)
        missing = -self.size(split) % batch
        weighed = dataset.map(lambda encoded, kept: (encoded, kept, 1.0))
        filling = dataset.take(1).repeat(missing).map(lambda encoded, kept: (encoded, kept, 0.0))

        def decode(encoded: tf.Tensor, kept: Target, weight: tf.Tensor) -> tuple[tf.Tensor, Target, tf.Tensor]:
            image, target = self._source.decode_both(encoded, kept)
            return middle(self._source, self._settings, image), target, weight

        dataset = shard.of(weighed.concatenate(filling)).map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        return dataset.batch(batch // shard.replicas, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def check(self, split: str) -> None:
        """Decodes all images and targets of a split, so that one that is broken is told before a training.

        Raises:
            UsageError: some cannot be decoded; it names them.
        """

        def decode(encoded: tf.Tensor, kept: Target) -> tuple[tf.Tensor, Target]:
            image, target = self._source.decode_both(encoded, kept)
            return tf.reduce_max(image), target  # needs all pixels

        with self._source.decoding_errors():
            for _ in self._source.part(split).map(decode, tf.data.AUTOTUNE, deterministic=False):
                pass

    def examples(self, count: int) -> tf.Tensor:
        """The first training images, augmented as in the first epoch: uint8 [count, height, width, channels]."""
        first = self._source.part("train").take(count).enumerate()
        key = tf.constant([self.seed, 0], tf.int64)
        varied = first.map(
            lambda place, example: self._augmenter(self._source.decode_whole(example[0]), tf.random.fold_in(key, place))
        )
        return next(iter(varied.batch(count)))

    def train_targets(self) -> Iterator[Target]:
        """Yields batches of the training targets, as arrays, in no order."""
        targets = self._source.part("train").map(
            lambda encoded, kept: self._source.decode_both(encoded, kept)[1], tf.data.AUTOTUNE, deterministic=False
        )
        with self._source.decoding_errors():
            yield from targets.batch(_TARGETS).prefetch(1).as_numpy_iterator()

    def size(self, split: str) -> int:
        """Images of a split, or those held out."""
        return self._source.images(split)

    def described(self, split: str) -> str:
        """What reports call a split: `valid` for images held out of the training split, otherwise its name."""
        return self._source.described(split)

    def normalization(self) -> Normalization:
        """The normalization of the settings; reads training images for their statistics."""
        if self._settings.normalization == "unit":
            return Normalization.unit(self._source.shape[2])
        first = self._source.part("train").take(_STATISTICS_IMAGES)
        images = first.map(
            lambda encoded, _: middle(self._source, self._settings, self._source.decode_whole(encoded)),
            tf.data.AUTOTUNE,
        )
        with self._source.decoding_errors():
            return Normalization.measured(images.batch(500).as_numpy_iterator())

    def _in_order(self, part: str, order: np.ndarray) -> tf.data.Dataset:
        """The images of a part in an order, kept in memory from their first use."""
        if part not in self._kept:
            self._kept[part] = _read(self._source.part(part))
        encoded, targets = self._kept[part]
        return tf.data.Dataset.from_tensor_slices(order).map(
            lambda i: (encoded[i], tf.nest.map_structure(lambda values: values[i], targets))
        )

    def _held_out(self) -> tf.data.Dataset:
        """The held-out images, always in the same order."""
        if self._in_memory["valid"]:
            return self._in_order("valid", np.arange(self.size("valid")))
        return self._source.part("valid")

    def _permuted(self, epoch: int) -> tf.data.Dataset:
        order = np.random.default_rng([self.seed, epoch]).permutation(self.train_images)
        return self._in_order("train", order)

    def _streamed(self, epoch: int) -> tf.data.Dataset:
        seed = int(np.random.default_rng([self.seed, epoch]).integers(2**31))
        return self._source.part("train", shuffle_seed=seed).shuffle(self._settings.shuffle_buffer, seed=seed)


def _read(examples: tf.data.Dataset) -> tuple[tf.Tensor, Target]:
    encoded, targets = zip(*examples.batch(1000).as_numpy_iterator(), strict=True)
    with tf.device("CPU"):
        return tf.constant(np.concatenate(encoded)), tf.nest.map_structure(tf.constant, joined(targets))
