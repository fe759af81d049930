"""One step of a training: forward, backward, update; the same for children and for trainings in full."""

from typing import Any

import keras
import tensorflow as tf

from rl_nas.child.network.flat_weights import FlatModel
from rl_nas.child.settings import TrainingSettings
from rl_nas.child.training.optimization import Average, cross_entropy, make_optimizer


class TrainStep:
    """Updates a flat_model model by batches.

    Made under a tf.distribute strategy, and called by its `run`, it takes one step on the batches of all replicas
    together; batch normalisation alone sees only its own replica's.

    Attributes:
        flat_model: the model.
        optimizer: its `iterations` is the number of updates.
        averages: of the trainable vector and of the others, where averages are kept.
    """

    def __init__(
        self, flat_model: FlatModel, training: TrainingSettings, batch: int, steps: int, *, scale_loss: bool = False
    ) -> None:
        """Makes the optimizer.

        Args:
            flat_model: the network, from whitened images to logits.
            training: optimizer, schedule and losses.
            batch: images of a step, over all replicas.
            steps: those of the whole training.
            scale_loss: scale the loss so that gradients of 16-bit floats do not vanish, for float16.
        """
        self._training = training
        self.flat_model = flat_model
        self.optimizer = make_optimizer(training, batch, steps)
        if scale_loss:
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build([self.flat_model.trainable.vector])
        # The moving statistics of batch normalisation are averaged as well: they belong to the averaged weights.
        vectors = (self.flat_model.trainable.vector, self.flat_model.other.vector) if training.ema_decay else ()
        self.averages = [Average(vector, training.ema_decay) for vector in vectors]

    def __call__(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Trains on a batch; traced in a tf.function.

        Args:
            images: float [batch, height, width, channels], whitened.
            labels: int [batch], or floats [batch, classes], each the share of a class.

        Returns:
            Cross-entropy of the head, and how many logits were right (the largest share's).
        """
        weights = self.flat_model.trainable.vector.value
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        scale = self.optimizer.scale_loss(1.0)
        outputs, pullback, other = self.flat_model.train_call(weights, images)
        logits, smoothing = logits_of(outputs), self._training.label_smoothing
        loss, gradient = cross_entropy(labels, logits, smoothing)
        gradients = gradient
        if isinstance(outputs, dict):
            _, auxiliary = cross_entropy(labels, outputs["auxiliary"], smoothing)
            gradients = {"logits": gradient, "auxiliary": self._training.auxiliary_weight * auxiliary}
        scaled = tf.nest.map_structure(lambda g, o: tf.cast(g * (scale / replicas), o.dtype), gradients, outputs)
        self._update(pullback(scaled), scale, replicas)
        self.flat_model.other.vector.assign(other)
        for average in self.averages:
            average.update(self.optimizer.iterations - 1)
        classes = labels if labels.dtype.is_integer else tf.argmax(labels, axis=-1)
        right = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=-1, output_type=classes.dtype) == classes, tf.float32))
        return loss, right

    @property
    def variables(self) -> list[Any]:
        """All that later steps depend on."""
        averages = [average.value for average in self.averages]
        return [*self.flat_model.vectors, *self.optimizer.variables, *averages]

    def infer(self, images: tf.Tensor) -> Any:
        """The outputs of the network as it would be written back, not in training mode."""
        vectors = [average.value for average in self.averages] or [
            self.flat_model.trainable.vector,
            self.flat_model.other.vector,
        ]
        return self.flat_model.call(vectors[0].value, vectors[1].value, images)

    def write_back(self) -> None:
        """Puts the trained weights, the averages where there are any, into the model's own variables."""
        for average in self.averages:
            average.write_back()
        self.flat_model.write_back()

    def _update(self, gradient: tf.Tensor, scale: Any, replicas: int) -> None:
        weights = self.flat_model.trainable.vector
        if replicas > 1:
            # Before the clipping, so that it is by the norm of the whole gradient.
            gradient = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradient)
        # The gradient of the L2 term, added by hand: the loss that is reported is the cross-entropy of the head.
        gradient = gradient / scale + self._training.weight_decay * self.flat_model.is_kernel * weights.value
        if self._training.clip_norm:
            gradient = tf.clip_by_norm(gradient, self._training.clip_norm)
        self.optimizer.apply([gradient * scale], [weights])


def logits_of(outputs: Any) -> Any:
    """The logits among the outputs of a model with or without an auxiliary head; float32 whatever it computes in."""
    return tf.cast(outputs["logits"] if isinstance(outputs, dict) else outputs, tf.float32)
