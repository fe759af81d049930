"""Trains weights that networks share, each batch on another network, and measures networks with them."""

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.objective import Metric, Objective, add_up
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.child.training.train_step import TrainStep
from rl_nas.networks.plan import Plan
from rl_nas.one_shot.weights import WEIGHTS, OneShotWeights


class OneShotTrainer:
    """The shared weights and their training.

    A train step is that of a child that is trained alone (`TrainStep`): the weights of a network, and their optimizer
    slots, are copied from the shared ones and back after it; no others change. Nothing is traced, as the next step has
    another network. A step is a function of the weights, of its number and of the seed.

    Args:
        data: the images.
        objective: gives loss and evidence.
        training: as of a child; its epochs are those of the shared weights. No average of weights is kept.
        augmentation: of the training images.
        seed: of all randomness.

    Attributes:
        weights: of all networks.
        batch: images of a step.
        steps: of an epoch.
    """

    def __init__(
        self,
        data: DeviceData,
        objective: Objective,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        seed: int,
    ) -> None:
        self._data, self._objective, self._seed = data, objective, seed
        self._training = replace(training, ema_decay=0.0)
        self._examples = int(data.train_images.shape[0])
        self.weights = OneShotWeights(seed)
        self.batch = min(training.batch_size, self._examples)
        self.steps = self._examples // self.batch
        self._scalars: dict[str, np.ndarray] = {}
        self._images = tf.function(
            lambda indices, seed: data.batch(indices, seed, augmentation),
            [tf.TensorSpec([self.batch], tf.int64), tf.TensorSpec([2], tf.int64)],
            autograph=False,
        )

    def order(self, epoch: int) -> np.ndarray:
        """The images of the steps of an epoch, int64 [steps, batch]."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._examples)
        return order[: self.steps * self.batch].reshape(self.steps, self.batch)

    def step(self, plan: Plan, number: int, indices: np.ndarray) -> float:
        """Trains the weights of a network on a batch.

        Args:
            plan: the network in training.
            number: of the step, from 0.
            indices: of the images, int64 [batch].

        Returns:
            The loss before the step.
        """
        places = self.weights.places(plan)
        child = self._network(plan, places)
        for counter in child.counters:
            counter.vector.assign([number])
        steps = self.steps * self._training.epochs
        update = TrainStep(child, self._objective, self._training, self.batch, steps)
        slots, scalars = _state_of(update.optimizer, child)
        for name, variable in slots.items():
            variable.assign(self.weights.slot(name)[places])
        for name, variable in scalars.items():
            variable.assign(self._scalars.get(name, variable))
        seed = np.random.default_rng([self._seed, number]).integers(2**62, size=2)
        loss, _ = update(*self._images(tf.constant(indices), tf.constant(seed)))
        self.weights.vectors[WEIGHTS][places] = child.trainable.vector.numpy()
        for name, variable in slots.items():
            self.weights.slot(name)[places] = variable.numpy()
        self._scalars = {name: variable.numpy() for name, variable in scalars.items()}
        return float(loss)

    def measure(self, plan: Plan, indices: np.ndarray, metric: Metric) -> dict[str, float]:
        """Figures of a metric over held-out images.

        Batch normalization uses the statistics of the images, at most a training batch at once: moving averages would
        be those of other networks too.

        Args:
            plan: the network without its auxiliary training parts.
            indices: of the images, int64 [images].
            metric: fresh.
        """
        places = self.weights.places(plan)
        child = self._network(plan, places)
        weights, other = child.trainable.vector.value, child.other.vector.value
        for part in np.array_split(indices, -(-len(indices) // self.batch)):
            images = self._data.normalize(tf.gather(self._data.valid_images, part))
            targets = tf.nest.map_structure(lambda values, part=part: tf.gather(values, part), self._data.valid_targets)
            outputs = child.call(weights, other, images, of_batch=True)
            add_up(metric, self._objective.evidence(targets, outputs, tf.ones([len(part)])))
        return metric.result()

    def _network(self, plan: Plan, places: Any) -> PlannedModel:
        """The network of a plan with its part of the shared weights."""
        weights = self.weights.vectors[WEIGHTS][places]
        return PlannedModel(plan, seed=self._seed, weights=weights, precision=self._training.precision)

    def state(self) -> State:
        """State that later train steps depend on."""
        return {"weights": self.weights.state(), "optimizer": self._scalars}

    def restore(self, state: State) -> None:
        """Restores the state."""
        self.weights.restore(state["weights"])
        self._scalars = dict(state["optimizer"])


def _state_of(optimizer: Any, child: PlannedModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Slots of an optimizer, of one value for each weight, and its other variables, by name."""
    shape = child.trainable.vector.shape
    slots = {v.path: v for v in optimizer.variables if v.shape == shape}
    return slots, {v.path: v for v in optimizer.variables if v.path not in slots}
