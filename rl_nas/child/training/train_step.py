"""One train step: forward, backward, update; the same for children and for full training."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.network.flat_weights import FlatModel, Outputs
from rl_nas.child.training.objective import Objective
from rl_nas.child.training.optimization import Average, make_optimizer
from rl_nas.child.training.settings import TrainingSettings


class TrainStep:
    """Updates a flat model by batches.

    Made under a tf.distribute strategy, and called by its `run`, it takes one step on the batches of all replicas
    together; only batch normalization sees one replica's alone.

    Attributes:
        model: the network.
        optimizer: its `iterations` is the number of updates.
        averages: of the trainable vector and of the others, where averages are kept.
    """

    def __init__(
        self,
        model: FlatModel,
        objective: Objective,
        training: TrainingSettings,
        batch: int,
        steps: int,
        *,
        factors: np.ndarray | None = None,
    ) -> None:
        """Makes the optimizer.

        Args:
            model: the network, from normalized images to its outputs.
            objective: gives the loss.
            training: optimizer and schedule.
            batch: images of a step, over all replicas.
            steps: of the whole training.
            factors: of the learning rate; float [trainable parameters]. None: 1.
        """
        self._training, self._objective = training, objective
        self.model = model
        self.optimizer = make_optimizer(training, batch, steps, is_kernel=model.is_kernel, factors=factors)
        if training.precision == "float16":  # or small gradients would vanish
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer, name="loss_scale")
        self.optimizer.build([self.model.trainable.vector])
        # The moving statistics of batch normalization are averaged as well: they belong to the averaged weights.
        vectors = (self.model.trainable.vector, self.model.other.vector) if training.ema_decay else ()
        self.averages = [Average(vector, training.ema_decay) for vector in vectors]

    def __call__(self, images: tf.Tensor, targets: Target) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Trains on a batch; traced in a tf.function.

        Args:
            images: float [batch, height, width, channels], normalized.
            targets: of the objective.

        Returns:
            The loss, and the objective's figures, sums over the batch.
        """
        weights = self.model.trainable.vector.value
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        scale = self.optimizer.scale_loss(1.0)
        outputs, pullback, other = self.model.train_call(weights, images)
        loss, gradients = self._objective.loss(targets, outputs)
        scaled = {name: tf.cast(g * (scale / replicas), outputs[name].dtype) for name, g in gradients.items()}
        self._update(pullback(scaled), scale, replicas)
        self.model.other.vector.assign(other)
        for average in self.averages:
            average.update(self.optimizer.iterations - 1)
        return loss, self._objective.figures(targets, outputs)

    @property
    def variables(self) -> list[Any]:
        """Variables that later train steps depend on."""
        averages = [average.value for average in self.averages]
        return [*self.model.vectors, *self.optimizer.variables, *averages]

    def infer(self, images: tf.Tensor) -> Outputs:
        """The outputs of the network as it would be written back, in inference mode."""
        vectors = [average.value for average in self.averages] or [
            self.model.trainable.vector,
            self.model.other.vector,
        ]
        return self.model.call(vectors[0].value, vectors[1].value, images)

    def load(self, weights: Mapping[str, np.ndarray]) -> None:
        """Starts from weights by path, before the first step; the others stay."""
        self.model.load(weights)
        for average in self.averages:
            average.restart()

    def write_back(self) -> None:
        """Copies the trained weights, or their averages if there are any, into the model's own variables."""
        for average in self.averages:
            average.write_back()
        self.model.write_back()

    def _update(self, gradient: tf.Tensor, scale: Any, replicas: int) -> None:
        weights = self.model.trainable.vector
        if replicas > 1:
            # Before the clipping, which needs the norm of the whole gradient.
            gradient = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradient)
        gradient = gradient / scale
        if self._training.optimizer != "adamw":
            # The gradient of the L2 term, added by hand: the reported loss is the objective's alone.
            gradient += self._training.weight_decay * self.model.is_kernel * weights.value
        if self._training.clip_norm:
            gradient = tf.clip_by_norm(gradient, self._training.clip_norm)
        self.optimizer.apply([gradient * scale], [weights])
