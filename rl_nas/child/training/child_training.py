"""Trains a child: the whole step is one tf.function."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.images import ImageData
from rl_nas.child.network.flat_weights import FlatModel
from rl_nas.child.settings import AugmentSettings, TrainingSettings
from rl_nas.child.training.optimization import cross_entropy
from rl_nas.child.training.train_step import TrainStep, logits_of


class DivergedError(ArithmeticError):
    """The loss of a child is not finite."""


class DeviceData:
    """The data set of a search on the device: copied once, shared by all children.

    Attributes:
        train_images: uint8 [images, height, width, channels].
        train_labels: int64 [images].
        valid_images: uint8, the held-out images.
        valid_labels: NumPy int64 [images].
        normalize: brings every channel to mean 0 and deviation 1 over the training images.
    """

    def __init__(self, data: ImageData) -> None:
        self.train_images = tf.constant(data.train_images)
        self.train_labels = tf.constant(data.train_labels)
        self.valid_images = tf.constant(data.valid_images)
        self.valid_labels = data.valid_labels
        self.normalize = data.normalization()

    def augmented(self, indices: tf.Tensor, seed: tf.Tensor, augmentation: AugmentSettings) -> tf.Tensor:
        """Training images of these numbers, whitened and varied, float; how is a function of `seed`, int64 [2]."""
        return augment(self.normalize(tf.gather(self.train_images, indices)), seed, augmentation)


class ChildTrainer:
    """One child's training: the compiled step, and the order of the images.

    Everything random (order of images, augmentation) is a function of `seed`.
    """

    def __init__(
        self,
        flat_model: FlatModel,
        data: DeviceData,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        seed: int,
    ) -> None:
        self._data = data
        self._training, self._augmentation = training, augmentation
        self._rng = np.random.default_rng(seed)
        self._examples = int(data.train_images.shape[0])
        self._batch = min(training.batch_size, self._examples)
        steps = training_steps(training, self._examples)
        self._epoch, self._loss = 0, math.nan
        self._update = TrainStep(flat_model, training, self._batch, steps)
        self._step = tf.function(
            self._train_step,
            input_signature=[tf.TensorSpec([self._batch], tf.int64), tf.TensorSpec([2], tf.int64)],
            autograph=False,
            jit_compile=training.jit_compile,
        )

    def trace(self) -> None:
        """Traces the step; the first step does it otherwise."""
        self._step.get_concrete_function()

    def step(self, indices: np.ndarray) -> tf.Tensor:
        """Trains on the images of these numbers ([batch] int64); returns the loss."""
        return self._step(tf.constant(indices), tf.constant(self._rng.integers(2**62, size=2)))

    @property
    def infer(self) -> Callable[[tf.Tensor], Any]:
        """From whitened images to the outputs of the network as it is now, its averages where there are any."""
        return self._update.infer

    def train(self, stop: Callable[[], bool] = lambda: False) -> float:
        """Trains for all epochs that are left; leaves the weights in the network; returns the last one's mean loss.

        Args:
            stop: is asked after every epoch whether it is to be the last.

        Raises:
            DivergedError: a loss was not finite at the end of an epoch.
        """
        while self._epoch < self._training.epochs:
            whole = self._examples - self._examples % self._batch
            order = self._rng.permutation(self._examples)[:whole]
            losses = [self.step(indices) for indices in order.reshape(-1, self._batch)]
            self._loss = float(np.mean(losses))
            self._epoch += 1
            if not math.isfinite(self._loss):
                raise DivergedError(f"loss is {self._loss} after epoch {self._epoch}")
            if stop():
                break
        self._update.write_back()
        return self._loss

    def state(self) -> State:
        """All that the epochs that are left depend on; before `train` has ended, such as when it asks to stop."""
        return {
            "epoch": self._epoch,
            "loss": self._loss,
            "rng": self._rng.bit_generator.state,
            "variables": [variable.numpy() for variable in self._update.variables],
        }

    def restore(self, state: State) -> None:
        """Takes that up."""
        self._epoch, self._loss = state["epoch"], state["loss"]
        self._rng.bit_generator.state = state["rng"]
        for variable, value in zip(self._update.variables, state["variables"], strict=True):
            variable.assign(value)

    def _train_step(self, indices: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        images = self._data.augmented(indices, seed, self._augmentation)
        loss, _ = self._update(images, tf.gather(self._data.train_labels, indices))
        return loss


def training_steps(training: TrainingSettings, examples: int) -> int:
    """Steps of a whole training on so many images."""
    return examples // min(training.batch_size, examples) * training.epochs


@contextmanager
def quick_start() -> Iterator[None]:
    """Functions that are first called inside start sooner: on CPUs without TensorFlow's graph optimizer.

    It takes longer than all else that a small child's graph needs, and its steps are no faster by it
    (`benchmarks/child_overhead.py`). On GPUs it settles the layout of convolutions.
    """
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    quick = before or not tf.config.list_logical_devices("GPU")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": quick})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def evaluate(infer: Callable[[tf.Tensor], Any], data: DeviceData, batch: int = 500) -> tuple[float, float]:
    """Accuracy and mean cross-entropy on the held-out images.

    Args:
        infer: from whitened images to logits; not traced: that takes longer than a few calls.
        data: holds the images.
        batch: images at once.
    """
    images = data.valid_images
    starts = range(0, len(images), batch)
    logits = tf.concat([logits_of(infer(data.normalize(images[start : start + batch]))) for start in starts], axis=0)
    return accuracy_and_loss(logits, data.valid_labels)


def accuracy_and_loss(logits: tf.Tensor, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy and mean cross-entropy of logits [images, classes]."""
    loss, _ = cross_entropy(labels, logits)
    return float(np.mean(np.argmax(logits, axis=-1) == labels)), float(loss)
