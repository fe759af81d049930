"""The LSTM against that of Keras, and its gradient against automatic differentiation and differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.controller.lstm import LSTMState, lstm_sequence, lstm_step

REPLICAS, BATCH, UNITS = 2, 3, 4


def values(seed: int, *shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def one_after_the_other(gates: tf.Tensor, recurrent: tf.Tensor) -> tf.Tensor:
    """The same by steps, whose gradient TensorFlow finds."""
    hidden, state = list[tf.Tensor](), LSTMState.zero(gates[:, :, 0, :UNITS])
    for of_step in tf.unstack(gates, axis=2):
        state = lstm_step(of_step, state, recurrent)
        hidden.append(state.hidden)
    return tf.stack(hidden, axis=2)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_gradient_is_that_of_its_steps(steps: int) -> None:
    gates, recurrent = values(0, REPLICAS, BATCH, steps, 4 * UNITS), values(1, REPLICAS, UNITS, 4 * UNITS)
    upstream = values(2, REPLICAS, BATCH, steps, UNITS)
    found = []
    for function in (lstm_sequence, one_after_the_other):
        with tf.GradientTape() as tape:
            tape.watch([gates, recurrent])
            hidden = function(gates, recurrent)
        slopes = tape.gradient(hidden, [gates, recurrent], upstream, unconnected_gradients="zero")
        found.append([hidden, *slopes])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_layer_is_that_of_keras() -> None:
    layer = keras.layers.LSTM(UNITS, return_sequences=True)
    inputs = values(3, BATCH, 5, 6)
    expected = layer(inputs)
    kernel, recurrent, bias = (tf.constant(weight) for weight in layer.get_weights())
    gates = (inputs @ kernel + bias)[tf.newaxis]
    np.testing.assert_allclose(lstm_sequence(gates, recurrent[tf.newaxis])[0], expected, atol=1e-6)
