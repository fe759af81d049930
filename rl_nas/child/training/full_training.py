"""Trains a network in full: streams of images, one or many devices, a state that can be saved and taken up exactly."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data.augmentation import augment, mix_up
from rl_nas.child.data.input_pipeline import InputPipeline, Shard
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.flat_weights import FlatKerasModel
from rl_nas.child.settings import AugmentSettings, DeviceSettings, TrainingSettings
from rl_nas.child.training.child_training import DivergedError
from rl_nas.child.training.train_step import TrainStep, logits_of
from rl_nas.errors import UsageError


class Measured(NamedTuple):
    """What was measured on a split.

    Attributes:
        split: its name; `valid` are the images held out of the training split.
        images: how many.
        accuracy: share of the images whose class has the largest logit.
        top5_accuracy: share of the images whose class is among the five largest; None where there are five or fewer.
        loss: mean cross-entropy.
    """

    split: str
    images: int
    accuracy: float
    top5_accuracy: float | None
    loss: float


class Progress(NamedTuple):
    """Where a training is: the steps done, and loss and accuracy on the training images of the epoch so far."""

    step: int
    loss: float
    accuracy: float


class FullTrainer:
    """A training in full of one network.

    Everything random is a function of `seed` and of the step, so that the state is the weights, the optimizer, the
    averages and the number of the step: `state` holds them for tf.train.Checkpoint.

    Attributes:
        model: the network; its own weights are those of the start until `write_back`.
        normalization: how images become numbers.
        batch: images of a step, over all devices.
        steps_per_epoch: the last partial batch is dropped.
        steps: of the whole training.
    """

    def __init__(
        self,
        model: keras.Model,
        pipeline: InputPipeline,
        normalization: Normalization,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        devices: DeviceSettings,
        *,
        strategy: tf.distribute.Strategy,
        classes: int,
        mixup: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.model, self._stream, self.normalization = model, pipeline, normalization
        self._augmentation, self._mixup, self._classes, self._seed = augmentation, mixup, classes, seed
        self._strategy, self._loop_steps = strategy, devices.steps_per_loop
        self.batch = global_batch(training, pipeline.train_images, strategy)
        self.steps_per_epoch = pipeline.train_images // self.batch
        self.steps = self.steps_per_epoch * training.epochs
        with strategy.scope():
            scale_loss = devices.precision == "float16"
            self._update = TrainStep(FlatKerasModel(model), training, self.batch, self.steps, scale_loss=scale_loss)
        self._step = tf.Variable(0, dtype=tf.int64)
        self._sums = tf.Variable([0.0, 0.0], dtype=tf.float64)  # of the epoch: loss over steps, right images
        self._on_replica: Any = self._train_batch
        if training.jit_compile:
            self._on_replica = tf.function(self._train_batch, autograph=False, jit_compile=True)
        self._loop = tf.function(self._train_loop, autograph=False)
        self._measure_batch = tf.function(self._measure_whole_batch, autograph=False)

    @property
    def state(self) -> dict[str, Any]:
        """All that a training needs to go on as if it had not stopped."""
        return {
            "step": self._step,
            "sums": self._sums,
            "vectors": self._update.flat_model.vectors,
            "optimizer": self._update.optimizer.variables,
            "averages": [average.value for average in self._update.averages],
        }

    @property
    def step(self) -> int:
        """Steps that were taken."""
        return int(self._step)

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.step // self.steps_per_epoch

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return float(self._update.optimizer.learning_rate)

    def train_epoch(self) -> Iterator[Progress]:
        """Trains to the end of the current epoch; yields after every few steps, when the state may be saved.

        Raises:
            DivergedError: a loss is not finite; the state must not be saved any more.
        """
        epoch, done = divmod(self.step, self.steps_per_epoch)
        if not done:
            self._sums.assign([0.0, 0.0])
        iterator = iter(self._distribute(lambda share: self._stream.train(epoch, self.batch, done * self.batch, share)))
        while done < self.steps_per_epoch:
            count = min(self._loop_steps, self.steps_per_epoch - done)
            loss, right = self._loop(iterator, tf.constant(self.step, tf.int64), tf.constant(count, tf.int64))
            if not math.isfinite(float(loss)):
                raise DivergedError(f"the loss is {float(loss)} in steps {self.step + 1} to {self.step + count}")
            self._sums.assign_add(tf.cast([loss, right], tf.float64))
            self._step.assign_add(count)
            done += count
            loss_sum, right_sum = self._sums.numpy().tolist()
            yield Progress(self.step, loss_sum / done, right_sum / (done * self.batch))

    def check_finite(self) -> None:
        """Raises `DivergedError` if a weight is not finite, which may show before the loss does."""
        if not np.all(np.isfinite(self._update.flat_model.trainable.vector)):
            raise DivergedError(f"weights are not finite after step {self.step}")

    def measure(self, split: str) -> Measured:
        """Measures the network, with its averaged weights where there are any.

        Args:
            split: `valid`, the images held out, or a split of the data set.
        """
        images = self._stream.size(split)
        batch = max(self.batch, 256 // self._replicas * self._replicas)
        batches = iter(self._distribute(lambda share: self._stream.measured(split, batch, share)))
        sums = np.zeros(3)
        for _ in range(-(-images // batch)):
            sums += np.asarray(self._measure_batch(*next(batches)), np.float64)
        right, right5, loss = (sums / images).tolist()
        return Measured(split, images, right, right5 if self._classes > 5 else None, loss)

    def write_back(self) -> None:
        """Puts the trained weights, the averages where there are any, into the model's own variables."""
        self._update.write_back()

    def varied_images(self, count: int) -> np.ndarray:
        """Some training images as the network sees them, scaled to 0 to 1: float [images, height, width, channels]."""
        images = augment(
            self.normalization(self._stream.examples(count)), tf.constant([self._seed, 0], tf.int64), self._augmentation
        )
        low, high = (tf.reduce_min(images), tf.reduce_max(images))
        return np.asarray((images - low) / tf.maximum(high - low, 1e-6))

    @property
    def _replicas(self) -> int:
        return int(self._strategy.num_replicas_in_sync)

    def _distribute(self, dataset_of: Any) -> Any:
        def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return dataset_of(Shard(self._replicas, context.num_input_pipelines, context.input_pipeline_id))

        return self._strategy.distribute_datasets_from_function(make)

    def _train_loop(self, iterator: Any, first: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """So many steps in the graph; the sums of their losses and of their right images."""

        def body(done: tf.Tensor, loss: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            images, labels = next(iterator)
            losses, rights = self._strategy.run(self._on_replica, args=(images, labels, first + done))
            mean = self._strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)
            return done + 1, loss + mean, right + self._strategy.reduce(tf.distribute.ReduceOp.SUM, rights, axis=None)

        start = (tf.constant(0, tf.int64), tf.constant(0.0), tf.constant(0.0))
        _, loss, right = tf.while_loop(lambda done, *_: done < steps, body, start)
        return loss, right

    def _train_batch(self, images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seed = tf.random.fold_in(tf.constant([self._seed, 1], tf.int64), step)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            seed = tf.random.fold_in(seed, tf.cast(context.replica_id_in_sync_group, tf.int64))
        images = augment(self.normalization(images), seed, self._augmentation)
        if self._mixup:
            labels = tf.one_hot(labels, self._classes)
            images, labels = mix_up(images, labels, tf.random.fold_in(seed, 3), self._mixup)
        return self._update(images, labels)

    def _measure_whole_batch(self, images: Any, labels: Any, weights: Any) -> list[tf.Tensor]:
        sums = self._strategy.run(self._measure_on_replica, args=(images, labels, weights))
        return [self._strategy.reduce(tf.distribute.ReduceOp.SUM, one, axis=None) for one in sums]

    def _measure_on_replica(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        logits = logits_of(self._update.infer(self.normalization(images)))
        right = tf.cast(tf.argmax(logits, axis=-1) == labels, tf.float32)
        among5 = tf.cast(tf.math.in_top_k(labels, logits, min(5, self._classes)), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tuple(tf.reduce_sum(weights * values) for values in (right, among5, losses))


def global_batch(training: TrainingSettings, images: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size, at most all images, and the same for every replica.

    Raises:
        UsageError: it cannot be divided by the number of replicas, or they are to be compiled.
    """
    batch, replicas = min(training.batch_size, images), int(strategy.num_replicas_in_sync)
    if training.jit_compile and replicas > 1:
        raise UsageError(f"--jit_compile is for one device, not for {replicas}; leave it out (TPUs compile anyway)")
    if batch % replicas:
        raise UsageError(f"--batch_size={batch} cannot be dealt to {replicas} devices; give a multiple of {replicas}")
    return batch
