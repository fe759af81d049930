"""All weights of a model in two vectors, so that one update touches them all."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class PackedModel:
    """A Keras model whose variables live in two flat vectors while it is trained.

    A child has hundreds of small variables, and a graph with an optimizer update for each takes longer
    to trace and to optimise than the layers themselves. Element-wise optimizers (SGD, RMSProp, Adam) do
    the same arithmetic on one vector; those that look at single layers (LAMB) do not.

    Attributes:
        trainable: float variable [trainable parameters].
        other: float variable [other parameters], moving means and variances.
        is_kernel: float array [trainable parameters], 1 for the weights of convolutions and dense
            layers, 0 for biases, scales and offsets: what weight decay applies to.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._trainable_specs = model.trainable_variables
        self._other_specs = [v for v in model.non_trainable_variables if v.dtype == "float32"]
        # Step counters and the state of random generators: they stay where they are.
        self._counters = [v for v in model.non_trainable_variables if v.dtype != "float32"]
        self.trainable = keras.Variable(_flatten(self._trainable_specs), name="trainable")
        self.other = keras.Variable(_flatten(self._other_specs), name="other", trainable=False)
        self.is_kernel = np.concatenate(
            [np.full(_size(v), "kernel" in v.name, np.float32) for v in self._trainable_specs]
        )

    def train_call(self, weights: tf.Tensor, images: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """The model's outputs in training mode, and the new value of `other`; counters are updated.

        Traced in a tf.function.

        Args:
            weights: float [trainable parameters].
            images: float [batch, height, width, channels].
        """
        mapping = [
            *zip(self._trainable_specs, _unflatten(weights, self._trainable_specs), strict=True),
            *zip(self._other_specs, _unflatten(self.other.value, self._other_specs), strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = self._model(images, training=True)
        for counter in self._counters:
            counter.assign(scope.get_current_value(counter))
        updated = [scope.get_current_value(v) for v in self._other_specs]
        return outputs, tf.concat([tf.reshape(v, [-1]) for v in updated], axis=0)

    def write_back(self) -> None:
        """Copies the vectors into the model's own variables."""
        for vector, specs in ((self.trainable, self._trainable_specs), (self.other, self._other_specs)):
            offset = 0
            values = np.asarray(vector)
            for variable in specs:
                variable.assign(values[offset : offset + _size(variable)].reshape(variable.shape))
                offset += _size(variable)


def _size(variable: Any) -> int:
    return int(np.prod(variable.shape))


def _flatten(variables: list[Any]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *(np.ravel(v) for v in variables)])


def _unflatten(vector: tf.Tensor, variables: list[Any]) -> list[tf.Tensor]:
    parts = tf.split(vector, [_size(v) for v in variables])
    return [tf.reshape(part, v.shape) for part, v in zip(parts, variables, strict=True)]
