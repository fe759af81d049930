"""All weights of a model in a few vectors, so that one update touches them all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

Outputs = dict[str, tf.Tensor]
"""Outputs of a network by name."""

Pullback = Callable[[Outputs], tf.Tensor]
"""Gradients of the outputs -> gradient of the trainable vector."""


class FlatVector:
    """Variables of one type concatenated in one vector.

    Attributes:
        specs: the variables; their own values are not used while they are in the vector.
        vector: variable [all their elements].
    """

    def __init__(
        self, specs: Sequence[Any], name: str, dtype: str = "float32", value: np.ndarray | None = None, **kwargs: Any
    ) -> None:
        """Copies the variables' values; made under a tf.distribute strategy, the vector is the strategy's.

        Args:
            specs: the variables.
            name: of the vector.
            dtype: of the variables.
            value: of the vector, if it is not that of the variables.
            **kwargs: those of `keras.Variable`.
        """
        self.specs = specs
        if value is None:
            value = np.concatenate([np.zeros(0, dtype), *(np.ravel(v.numpy()) for v in specs)])
        self.vector = keras.Variable(value, dtype=dtype, name=name, **kwargs)

    def mapping(self, value: tf.Tensor) -> list[tuple[Any, tf.Tensor]]:
        """Splits a value of the vector into values of the variables."""
        if not self.specs:
            return []
        parts = tf.split(value, [size_of(v) for v in self.specs])
        shape = cache(lambda size: tf.constant(size, tf.int32))
        return [
            (v, part if len(v.shape) == 1 else tf.reshape(part, shape(tuple(v.shape))))
            for v, part in zip(self.specs, parts, strict=True)
        ]

    def join(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """Joins values of the variables to a value of the vector."""
        flat = tf.constant([-1])  # one for all: a graph would have a thousand of them otherwise
        parts = [v if len(v.shape) == 1 else tf.reshape(v, flat) for v in values]
        return tf.concat(parts, axis=0) if parts else tf.zeros([0], self.vector.dtype)

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Changes the parts of the vector whose variables' paths are among the names of the values."""
        parts = self.mapping(self.vector.value)
        if parts:
            known = [values.get(variable.path, np.asarray(part)) for variable, part in parts]
            self.vector.assign(np.concatenate([np.ravel(value) for value in known]))

    def write_back(self) -> None:
        """Copies the vector into the variables."""
        offset = 0
        values = np.asarray(self.vector)
        for variable in self.specs:
            variable.assign(values[offset : offset + size_of(variable)].reshape(variable.shape))
            offset += size_of(variable)


class FlatModel(ABC):
    """A network whose variables live in flat vectors while it is trained.

    A child has hundreds of small variables, and a graph with an optimizer update for each takes longer
    to trace and to optimize than the layers themselves. Element-wise optimizers (SGD, RMSProp, Adam) do
    the same arithmetic on one vector; layer-wise ones (LAMB) do not.

    Attributes:
        trainable: the trainable variables.
        other: moving means and variances, and the weights of frozen layers.
        counters: step counters and the state of random generators, a pack for each type.
        is_kernel: float array [trainable parameters], 1 for the weights of convolutions and dense
            layers, which weight decay applies to, 0 for biases, scales and offsets.
    """

    def __init__(
        self,
        trainable: Sequence[Any],
        other: Sequence[Any],
        counters: Sequence[Any],
        weights: np.ndarray | None = None,
    ) -> None:
        # Aggregation over devices: mean of the moving averages, counters of the first.
        self.trainable = FlatVector(trainable, "trainable", value=weights)
        self.other = FlatVector(other, "other", trainable=False, aggregation="mean")
        self.counters = [
            FlatVector(
                [v for v in counters if v.dtype == dtype],
                f"counters_{dtype}",
                dtype,
                trainable=False,
                aggregation="only_first_replica",
            )
            for dtype in sorted({v.dtype for v in counters})
        ]
        kernels = (np.full(size_of(v), "kernel" in v.name, np.float32) for v in self.trainable.specs)
        self.is_kernel = np.concatenate([np.zeros(0, np.float32), *kernels])

    @property
    def weights(self) -> list[Any]:
        """The variables with their paths in the Keras model; the vectors' values are theirs after `write_back`."""
        return [*self.trainable.specs, *self.other.specs]

    @property
    @abstractmethod
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the outputs of one image."""

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The values in the vectors by path."""
        packs = (self.trainable, self.other)
        return {v.path: np.asarray(part) for pack in packs for v, part in pack.mapping(pack.vector.value)}

    @property
    def vectors(self) -> list[keras.Variable]:
        """All state of the model."""
        return [pack.vector for pack in (self.trainable, self.other, *self.counters)]

    def infer(self, images: tf.Tensor) -> Outputs:
        """The outputs of the network as it is, in inference mode; images float [batch, height, width, channels]."""
        return self.call(self.trainable.vector.value, self.other.vector.value, images)

    @abstractmethod
    def call(self, weights: tf.Tensor, other: tf.Tensor, images: Any) -> Outputs:
        """The outputs in inference mode.

        Args:
            weights: float [trainable parameters].
            other: float [other parameters].
            images: float [batch, height, width, channels]; a dict if the network has several inputs.
        """

    @abstractmethod
    def train_call(self, weights: tf.Tensor, images: Any) -> tuple[Outputs, Pullback, tf.Tensor]:
        """The outputs in training mode; counters are updated.

        Args:
            weights: float [trainable parameters].
            images: float [batch, height, width, channels].

        Returns:
            The outputs; a function from their gradients, by name, to the gradient of the weights; the new value of
            `other`.
        """

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Changes the weights whose paths are among the names of the values."""
        if not values:
            return
        self.trainable.load(values)
        self.other.load(values)

    def write_back(self) -> None:
        """Copies the vectors into the variables."""
        for pack in (self.trainable, self.other, *self.counters):
            pack.write_back()


class FlatKerasModel(FlatModel):
    """A Keras model; `train_call` is traced in a tf.function."""

    def __init__(self, model: keras.Model) -> None:
        floats = [v for v in model.non_trainable_variables if v.dtype == "float32"]
        whole = [v for v in model.non_trainable_variables if v.dtype != "float32"]
        super().__init__(model.trainable_variables, floats, whole)
        self._model = model

    @property
    @override
    def output_shapes(self) -> list[tuple[int, ...]]:
        return [tuple(output.shape[1:]) for output in tf.nest.flatten(self._model.output)]

    @override
    def call(self, weights: tf.Tensor, other: tf.Tensor, images: Any) -> Outputs:
        with keras.StatelessScope(state_mapping=[*self.trainable.mapping(weights), *self.other.mapping(other)]):
            outputs: Outputs = self._model(images, training=False)
            return outputs

    @override
    def train_call(self, weights: tf.Tensor, images: Any) -> tuple[Outputs, Pullback, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            mapping = self.trainable.mapping(weights)
            for pack in (self.other, *self.counters):
                mapping += pack.mapping(pack.vector.value)
            with keras.StatelessScope(state_mapping=_seeds_of_replica(mapping)) as scope:
                outputs = self._model(images, training=True)
        for pack in self.counters:
            pack.vector.assign(pack.join([scope.get_current_value(v) for v in pack.specs]))
        other = self.other.join([scope.get_current_value(v) for v in self.other.specs])
        return outputs, lambda gradients: tape.gradient(outputs, weights, gradients), other


def _seeds_of_replica(mapping: list[tuple[Any, tf.Tensor]]) -> list[tuple[Any, tf.Tensor]]:
    """Gives every replica its own random states; the first, whose counters are kept, has the unshifted ones."""
    shift = replica_shift()
    if shift is None:
        return mapping
    seeds = "seed_generator_state"
    return [(v, value + tf.cast(shift, value.dtype) if v.name == seeds else value) for v, value in mapping]


def replica_shift() -> tf.Tensor | None:
    """Offset of seeds [2] on this replica, so that each draws different numbers; None if there is only one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    replica = tf.cast(context.replica_id_in_sync_group, tf.uint32) * tf.constant(0x9E3779B1, tf.uint32)
    return tf.stack([replica, tf.zeros_like(replica)])


def size_of(variable: Any) -> int:
    """Number of elements of a variable."""
    return int(np.prod(variable.shape))
