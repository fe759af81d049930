"""All weights of a model in a few vectors, so that one update touches them all."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Pack:
    """Variables of one type behind each other in one vector.

    Attributes:
        specs: the variables; their own values are not used while they are packed.
        vector: variable [all their elements].
    """

    def __init__(self, specs: Sequence[Any], name: str, dtype: str = "float32", **kwargs: Any) -> None:
        """Takes up the variables' values; made under a tf.distribute strategy, the vector is the strategy's."""
        self.specs = specs
        flat = np.concatenate([np.zeros(0, dtype), *(np.ravel(v) for v in specs)])
        self.vector = keras.Variable(flat, dtype=dtype, name=name, **kwargs)

    def mapping(self, value: tf.Tensor) -> list[tuple[Any, tf.Tensor]]:
        """What a value of the vector means for each variable."""
        if not self.specs:
            return []
        parts = tf.split(value, [_size(v) for v in self.specs])
        return [(v, tf.reshape(part, v.shape)) for v, part in zip(self.specs, parts, strict=True)]

    def join(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The vector's value that stands for these of the variables."""
        return tf.concat([tf.zeros([0], self.vector.dtype), *(tf.reshape(v, [-1]) for v in values)], axis=0)

    def write_back(self) -> None:
        """Copies the vector into the variables."""
        offset = 0
        values = np.asarray(self.vector)
        for variable in self.specs:
            variable.assign(values[offset : offset + _size(variable)].reshape(variable.shape))
            offset += _size(variable)


class PackedModel:
    """A Keras model whose variables live in flat vectors while it is trained.

    A child has hundreds of small variables, and a graph with an optimizer update for each takes longer
    to trace and to optimise than the layers themselves. Element-wise optimizers (SGD, RMSProp, Adam) do
    the same arithmetic on one vector; those that look at single layers (LAMB) do not.

    Attributes:
        trainable: the trainable variables.
        other: moving means and variances, and the weights of frozen layers.
        counters: step counters and the state of random generators, a pack for each type.
        is_kernel: float array [trainable parameters], 1 for the weights of convolutions and dense
            layers, 0 for biases, scales and offsets: what weight decay applies to.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        # How the values of several devices become one: mean of the moving averages, counters of the first.
        self.trainable = Pack(model.trainable_variables, "trainable")
        floats = [v for v in model.non_trainable_variables if v.dtype == "float32"]
        self.other = Pack(floats, "other", trainable=False, aggregation="mean")
        whole = [v for v in model.non_trainable_variables if v.dtype != "float32"]
        self.counters = [
            Pack(
                [v for v in whole if v.dtype == dtype],
                f"counters_{dtype}",
                dtype,
                trainable=False,
                aggregation="only_first_replica",
            )
            for dtype in sorted({v.dtype for v in whole})
        ]
        self.is_kernel = np.concatenate(
            [np.full(_size(v), "kernel" in v.name, np.float32) for v in self.trainable.specs]
        )

    @property
    def vectors(self) -> list[keras.Variable]:
        """All state of the model."""
        return [pack.vector for pack in (self.trainable, self.other, *self.counters)]

    def call(self, weights: tf.Tensor, other: tf.Tensor, images: tf.Tensor) -> Any:
        """The model's outputs, not in training mode.

        Args:
            weights: float [trainable parameters].
            other: float [other parameters].
            images: float [batch, height, width, channels].
        """
        with keras.StatelessScope(state_mapping=[*self.trainable.mapping(weights), *self.other.mapping(other)]):
            return self._model(images, training=False)

    def train_call(self, weights: tf.Tensor, images: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """The model's outputs in training mode, and the new value of `other`; counters are updated.

        Traced in a tf.function.

        Args:
            weights: float [trainable parameters].
            images: float [batch, height, width, channels].
        """
        mapping = self.trainable.mapping(weights)
        for pack in (self.other, *self.counters):
            mapping += pack.mapping(pack.vector.value)
        with keras.StatelessScope(state_mapping=_seeds_of_replica(mapping)) as scope:
            outputs = self._model(images, training=True)
        for pack in self.counters:
            pack.vector.assign(pack.join([scope.get_current_value(v) for v in pack.specs]))
        return outputs, self.other.join([scope.get_current_value(v) for v in self.other.specs])

    def write_back(self) -> None:
        """Copies the vectors into the model's own variables."""
        for pack in (self.trainable, self.other, *self.counters):
            pack.write_back()


def _seeds_of_replica(mapping: list[tuple[Any, tf.Tensor]]) -> list[tuple[Any, tf.Tensor]]:
    """Other states of the random generators on every replica; on the first, whose counters count, they stay."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return mapping
    replica = tf.cast(context.replica_id_in_sync_group, tf.uint32) * tf.constant(0x9E3779B1, tf.uint32)
    shift = tf.stack([replica, tf.zeros_like(replica)])
    seeds = "seed_generator_state"
    return [(v, value + tf.cast(shift, value.dtype) if v.name == seeds else value) for v, value in mapping]


def _size(variable: Any) -> int:
    return int(np.prod(variable.shape))
