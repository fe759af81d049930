"""The layer against that of Keras, and its gradient against automatic differentiation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.controller.lstm import LSTM

BATCH, INPUTS, UNITS = 3, 5, 4


def values(seed: int, *shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def weights(replicas: int) -> list[tf.Tensor]:
    shapes = (INPUTS, 4 * UNITS), (UNITS, 4 * UNITS), (1, 4 * UNITS)
    return [values(seed, replicas, *shape) for seed, shape in enumerate(shapes)]


def textbook(kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The same as in Hochreiter and Schmidhuber's equations, whose gradient TensorFlow finds."""
    hidden = cell = tf.zeros([x.shape[0], x.shape[1], UNITS])
    found = list[tf.Tensor]()
    for step in tf.unstack(x, axis=2):
        parts = tf.split(step @ kernel + hidden @ recurrent + bias, 4, axis=-1)
        update, forget, output = (tf.sigmoid(parts[place]) for place in (0, 1, 3))
        cell = forget * cell + update * tf.tanh(parts[2])
        hidden = output * tf.tanh(cell)
        found.append(hidden)
    return tf.stack(found, axis=2)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_sequence_and_its_gradient_are_those_of_the_textbook(replicas: int, steps: int) -> None:
    given = [*weights(replicas), values(3, replicas, BATCH, steps, INPUTS)]
    upstream, found = values(4, replicas, BATCH, steps, UNITS), []
    for function in (lambda *parts: LSTM(*parts[:3]).sequence(parts[3]), textbook):
        with tf.GradientTape() as tape:
            tape.watch(given)
            hidden = function(*given)
        found.append([hidden, *tape.gradient(hidden, given, upstream, unconnected_gradients="zero")])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_steps_are_those_of_the_sequence(replicas: int) -> None:
    made, x = LSTM(*weights(replicas)), values(3, replicas, BATCH, 6, INPUTS)
    state, hidden = made.zero(BATCH), list[tf.Tensor]()
    for number in range(6):
        state = made.step(x[:, :, number], state)
        hidden.append(state.hidden)
    np.testing.assert_allclose(tf.stack(hidden, axis=2), made.sequence(x), atol=1e-6)


def test_a_layer_is_that_of_keras() -> None:
    layer = keras.layers.LSTM(UNITS, return_sequences=True)
    inputs = values(3, BATCH, 5, INPUTS)
    expected = layer(inputs)
    kernel, recurrent, bias = (tf.Variable(weight[np.newaxis]) for weight in layer.get_weights())
    made = LSTM(kernel, recurrent, tf.Variable(bias[np.newaxis]))
    np.testing.assert_allclose(made.sequence(inputs[tf.newaxis])[0], expected, atol=1e-6)
