"""Trains a child; a whole train step is one tf.function."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import Inputs, TrainingData
from rl_nas.child.network.flat_weights import FlatModel, Outputs
from rl_nas.child.training.objective import Metric, Objective, add_up
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.child.training.train_step import TrainStep
from rl_nas.networks.plan import Plan

MEASURED = 500
"""Most examples of one call in a measurement."""

_MEASURED_VALUES = 2**23


class DivergedError(ArithmeticError):
    """The loss of a child is not finite."""


class ChildTrainer:
    """One child's training: the compiled step, and the order of the images.

    Everything random (order of images, augmentation) is a function of `seed`.
    """

    def __init__(
        self,
        model: FlatModel,
        objective: Objective,
        data: TrainingData,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        seed: int,
    ) -> None:
        self._data = data
        self._training, self._augmentation = training, augmentation
        self._rng = np.random.default_rng(seed)
        self._examples = data.train_examples
        self._batch = min(training.batch_size, self._examples)
        steps = training_steps(training, self._examples)
        self._epoch, self._loss = 0, math.nan
        self._update = TrainStep(model, objective, training, self._batch, steps)
        self._step = tf.function(
            self._train_step,
            input_signature=[data.signature(self._batch), tf.TensorSpec([2], tf.int64)],
            autograph=False,
            jit_compile=training.compiled,
        )

    def trace(self) -> None:
        """Traces the train step, ahead of the first one."""
        self._step.get_concrete_function()

    def order(self) -> np.ndarray:
        """Indices of the training examples of an epoch, in a new order: int64 [steps, batch]."""
        whole = self._examples - self._examples % self._batch
        indices: np.ndarray = self._rng.permutation(self._examples)[:whole].reshape(-1, self._batch)
        return indices

    def step(self, indices: np.ndarray) -> tf.Tensor:
        """Trains on the examples of these indices, int64 [batch]; returns the loss."""
        seed = self._rng.integers(2**62, size=2)
        return self._step(self._data.read(indices, seed), tf.constant(seed))

    @property
    def infer(self) -> Callable[[Inputs], Outputs]:
        """Function from inputs to the network's present outputs, by averaged weights if there are any."""
        return self._update.infer

    @property
    def epoch(self) -> int:
        """Number of complete epochs."""
        return self._epoch

    def train(self, stop: Callable[[], bool | None] = lambda: False) -> float:
        """Trains for the remaining epochs; leaves the weights in the network; returns the last epoch's mean loss.

        Args:
            stop: called after every epoch; whether it was the last.

        Raises:
            DivergedError: a loss was not finite at the end of an epoch.
        """
        while self._epoch < self._training.epochs:
            losses = [self.step(indices) for indices in self.order()]
            self._loss = float(np.mean(losses))
            self._epoch += 1
            if not math.isfinite(self._loss):
                raise DivergedError(f"loss is {self._loss} after epoch {self._epoch}")
            if stop():
                break
        self.write_back()
        return self._loss

    def write_back(self) -> None:
        """Leaves the weights, or their averages if there are any, in the network."""
        self._update.write_back()

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

    def _train_step(self, read: Any, seed: tf.Tensor) -> tf.Tensor:
        loss, _ = self._update(*self._data.batch(read, seed, self._augmentation))
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
    infer: Callable[[Inputs], Outputs],
    data: TrainingData,
    objective: Objective,
    metric: Metric,
    batch: int = MEASURED,
    examples: int | None = None,
) -> dict[str, float]:
    """Figures of a metric over the held-out examples.

    Args:
        infer: from inputs to outputs; not traced: that takes longer than a few calls.
        data: holds the examples.
        objective: gives the evidence.
        metric: fresh.
        batch: examples of one call.
        examples: the first ones, that are measured; None: all.
    """
    examples = data.valid_examples if examples is None else examples
    for start in range(0, examples, batch):
        stop = min(start + batch, examples)
        inputs, targets = data.held_out(start, stop)
        add_up(metric, objective.evidence(targets, infer(inputs), tf.ones([stop - start])))
    return metric.result()


def measured_batch(plan: Plan) -> int:
    """Examples of one call of a network whose outputs may be large."""
    return fitting_batch((out.shape for out in plan.outputs.values()), MEASURED)


def fitting_batch(outputs: Iterable[Sequence[int]], most: int) -> int:
    """The number of examples, `most` at most, whose outputs of these shapes fit into memory together."""
    return max(1, min(most, _MEASURED_VALUES // sum(map(math.prod, outputs))))
