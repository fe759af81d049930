"""Trains a child; a whole train step is one tf.function."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.child.data.annotation import Annotation, Target
from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.network.flat_weights import FlatModel, Outputs
from rl_nas.child.training.objective import Metric, Objective, add_up
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.child.training.train_step import TrainStep


class DivergedError(ArithmeticError):
    """The loss of a child is not finite."""


class DeviceData:
    """The data set of a search on the device: copied once, shared by all children.

    Attributes:
        train_images: uint8 [images, height, width, channels].
        train_targets: tensor [images, ...], or a dict of such tensors.
        valid_images: uint8, the held-out images.
        valid_targets: like `train_targets`.
        normalize: scales every channel to mean 0 and deviation 1 over the training images.
    """

    def __init__(self, data: ImageData, annotation: Annotation) -> None:
        """Copies a data set.

        Args:
            data: in memory.
            annotation: of its targets.
        """
        self._annotation = annotation
        self.train_images = tf.constant(data.train_images)
        self.valid_images = tf.constant(data.valid_images)
        self.train_targets = tf.nest.map_structure(tf.constant, data.train_targets)
        self.valid_targets = tf.nest.map_structure(tf.constant, data.valid_targets)
        self.normalize = data.normalization()

    def batch(self, indices: tf.Tensor, seed: tf.Tensor, augmentation: AugmentSettings) -> tuple[tf.Tensor, Target]:
        """Training images of these indices, normalized and augmented, and their targets.

        Args:
            indices: int64 [batch].
            seed: int64 [2]; everything random is a function of it.
            augmentation: the changes of the images.
        """
        images = self.normalize(tf.gather(self.train_images, indices))
        images, geometry = augment(images, seed, augmentation)
        targets = tf.nest.map_structure(lambda values: tf.gather(values, indices), self.train_targets)
        return images, self._annotation.warped(targets, geometry)


class ChildTrainer:
    """One child's training: the compiled step, and the order of the images.

    Everything random (order of images, augmentation) is a function of `seed`.
    """

    def __init__(
        self,
        model: FlatModel,
        objective: Objective,
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
        self._update = TrainStep(model, objective, training, self._batch, steps)
        self._step = tf.function(
            self._train_step,
            input_signature=[tf.TensorSpec([self._batch], tf.int64), tf.TensorSpec([2], tf.int64)],
            autograph=False,
            jit_compile=training.jit_compile,
        )

    def trace(self) -> None:
        """Traces the train step, ahead of the first one."""
        self._step.get_concrete_function()

    def step(self, indices: np.ndarray) -> tf.Tensor:
        """Trains on the images of these indices, int64 [batch]; returns the loss."""
        return self._step(tf.constant(indices), tf.constant(self._rng.integers(2**62, size=2)))

    @property
    def infer(self) -> Callable[[tf.Tensor], Outputs]:
        """Function from normalized images to the network's present outputs, by averaged weights if there are any."""
        return self._update.infer

    def train(self, stop: Callable[[], bool] = lambda: False) -> float:
        """Trains for the remaining epochs; leaves the weights in the network; returns the last epoch's mean loss.

        Args:
            stop: called after every epoch; whether it was the last.

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
        """State that the remaining epochs depend on; to be called before `train` has ended."""
        return {
            "epoch": self._epoch,
            "loss": self._loss,
            "rng": self._rng.bit_generator.state,
            "variables": [variable.numpy() for variable in self._update.variables],
        }

    def restore(self, state: State) -> None:
        """Restores the state."""
        self._epoch, self._loss = state["epoch"], state["loss"]
        self._rng.bit_generator.state = state["rng"]
        for variable, value in zip(self._update.variables, state["variables"], strict=True):
            variable.assign(value)

    def _train_step(self, indices: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        loss, _ = self._update(*self._data.batch(indices, seed, self._augmentation))
        return loss


def training_steps(training: TrainingSettings, examples: int) -> int:
    """Train steps of a whole training on a number of images."""
    return examples // min(training.batch_size, examples) * training.epochs


@contextmanager
def quick_start() -> Iterator[None]:
    """Makes functions that are first called inside start sooner: on CPUs without TensorFlow's graph optimizer.

    The optimizer takes longer than all else that a small child's graph needs, and makes its steps no faster
    (`benchmarks/child_overhead.py`). On GPUs it chooses the layout of convolutions.
    """
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    quick = before or not tf.config.list_logical_devices("GPU")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": quick})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def evaluate(
    infer: Callable[[tf.Tensor], Outputs], data: DeviceData, objective: Objective, metric: Metric, batch: int = 500
) -> dict[str, float]:
    """Figures of a metric over the held-out images.

    Args:
        infer: from normalized images to outputs; not traced: that takes longer than a few calls.
        data: holds the images.
        objective: gives the evidence.
        metric: fresh.
        batch: images of one call.
    """
    for start in range(0, len(data.valid_images), batch):
        part = slice(start, start + batch)
        targets = tf.nest.map_structure(lambda values, part=part: values[part], data.valid_targets)
        outputs = infer(data.normalize(data.valid_images[part]))
        weights = tf.ones([len(data.valid_images[part])])
        add_up(metric, objective.evidence(targets, outputs, weights))
    return metric.result()
