"""Training for seconds of CPU instead of epochs: the same for every network, ours or of Keras."""

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from random_children import RandomChildren

from rl_nas.errors import RunError
from rl_nas.metrics import quality_of

if TYPE_CHECKING:
    from rl_nas.child.network.flat_weights import FlatModel

_WARM_UP = 3
"""Steps before a step is timed: the first ones allocate memory."""
_TIMED = 0.05
"""Share of the budget for which steps are timed before the training."""

Make = Callable[[int], "FlatModel"]
"""Makes the network for a training of so many steps."""


class Trained(NamedTuple):
    """A training.

    Attributes:
        quality: on the held-out images of the data, after the last step.
        images: that it was measured on.
        steps: of the training.
        epochs: passes over the training images, not whole.
        seconds: of CPU, of all steps but the first.
        parameters: that were trained.
    """

    quality: float
    images: int
    steps: int
    epochs: float
    seconds: float
    parameters: int


def train_for(make: Make, seconds: float, seed: int, children: RandomChildren) -> Trained:
    """Trains a network for seconds of CPU, by the recipe of a search.

    A learning rate that falls along a cosine needs the number of steps beforehand: some steps are timed, in a network
    that is thrown away. What building, tracing and measuring take is not in the budget.

    Args:
        make: of the network.
        seconds: of CPU, of all train steps but the first.
        seed: the order of the images and their augmentation are functions of it.
        children: with the recipe and the data.

    Raises:
        RunError: the loss is not finite.
    """
    from rl_nas.child.training.child_training import evaluate

    trial = _Training(make, _WARM_UP, seed, children)
    trial.run(_WARM_UP)
    spent, timed = 0.0, 0
    while spent < _TIMED * seconds or not timed:
        spent, timed = spent + trial.run(1), timed + 1
    steps = 1 + max(1, round(seconds * timed / spent))
    training = _Training(make, steps, seed, children)
    training.run(1)  # what it takes is mostly the optimization of the graph
    took = training.run(steps - 1)
    data = children.data
    quality = quality_of(evaluate(training.update.infer, data, children.objective, children.metric)).value
    images, epochs = data.valid_examples, steps * training.batch / data.train_examples
    return Trained(quality, images, steps, epochs, took, int(training.update.model.is_kernel.size))


class _Training:
    """Train steps of one network."""

    def __init__(self, make: Make, steps: int, seed: int, children: RandomChildren) -> None:
        import tensorflow as tf

        from rl_nas.child.training.train_step import TrainStep

        config, data = children.config, children.data
        self.batch = min(config.training.batch_size, data.train_examples)
        self.update = TrainStep(make(steps), children.objective, config.training, self.batch, steps)
        self._read, self._rng = data.read, np.random.default_rng(seed)
        self._batches = self._indices(data.train_examples)

        def step(read: Any, numbers: tf.Tensor) -> tf.Tensor:
            return self.update(*data.batch(read, numbers, config.augmentation))[0]

        signature = [data.signature(self.batch), tf.TensorSpec([2], tf.int64)]
        self._step = tf.function(step, input_signature=signature, autograph=False)
        self._step.get_concrete_function()

    def run(self, steps: int) -> float:
        """Takes steps; returns their seconds of CPU."""
        loss, started = math.nan, time.process_time()
        for _ in range(steps):
            numbers = self._rng.integers(2**62, size=2)
            loss = float(self._step(self._read(next(self._batches), numbers), numbers))
        if not math.isfinite(loss):
            raise RunError(f"the loss is {loss} after {steps} steps; lower --learning_rate")
        return time.process_time() - started

    def _indices(self, examples: int) -> Iterator[np.ndarray]:
        """Examples of one batch after the other, each example once in an epoch."""
        while True:
            order = self._rng.permutation(examples)
            yield from order[: examples - examples % self.batch].reshape(-1, self.batch)
