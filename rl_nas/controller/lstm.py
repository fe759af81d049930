"""Layers of long short-term memory (Hochreiter and Schmidhuber 1997), one for each of several policies side by side.

Tensors begin with the axes [replicas, batch]; kernels hold the input gate, the forget gate, the candidate and the
output gate side by side.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class LSTMState(NamedTuple):
    """State of a layer after a step, each float [replicas, batch, units]."""

    hidden: tf.Tensor
    cell: tf.Tensor


class LSTM:
    """A layer in a graph, for each policy; its weights are read once.

    Policies spend most of their time on making and launching operations, so that these are few. (TensorFlow's fused
    `BlockLSTM` needs yet fewer, but is slower with a hundred units.)

    Args:
        kernel: of the inputs, float [replicas, inputs, 4 units].
        recurrent: of the hidden state, float [replicas, units, 4 units].
        bias: float [replicas, 1, 4 units].
    """

    def __init__(self, kernel: tf.Variable, recurrent: tf.Variable, bias: tf.Variable) -> None:
        self._kernel, self._recurrent, self._bias = map(tf.convert_to_tensor, (kernel, recurrent, bias))

    def zero(self, batch: tf.Tensor) -> LSTMState:
        """The state before the first step."""
        return _zero(self._recurrent, batch)

    def step(self, x: tf.Tensor, state: LSTMState) -> LSTMState:
        """The state after a step on inputs, float [replicas, batch, inputs]."""
        after = _step(tf.matmul(x, self._kernel) + self._bias, state, self._recurrent)
        return LSTMState(after.hidden, after.cell)

    def sequence(self, x: tf.Tensor) -> tf.Tensor:
        """Hidden states after each step from the zero state on, float [replicas, batch, steps, units].

        Args:
            x: the inputs, float [replicas, batch, steps, inputs]; the number of steps is static.
        """
        gates = tf.einsum("rbtu,rug->rbtg", x, self._kernel) + self._bias[:, tf.newaxis]
        hidden: tf.Tensor = _sequence(gates, self._recurrent)
        return hidden


class _Step(NamedTuple):
    """What a step computes, each float [replicas, batch, units]."""

    input: tf.Tensor
    forget: tf.Tensor
    candidate: tf.Tensor
    output: tf.Tensor
    cell: tf.Tensor
    squashed: tf.Tensor
    hidden: tf.Tensor


_Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@tf.custom_gradient
def _sequence(gates: tf.Tensor, recurrent: tf.Tensor) -> tuple[tf.Tensor, _Gradient]:
    """Hidden states, [replicas, batch, steps, units], of what the inputs add to the gates, from a zero state on.

    The gradient has a quarter of the operations of an automatic one: all but what goes from step to step is computed
    for the whole sequence at once.
    """
    steps, state = list[_Step](), _zero(recurrent, tf.shape(gates)[1])
    for of_step in tf.unstack(gates, axis=2):
        steps.append(_step(of_step, state, recurrent))
        state = LSTMState(steps[-1].hidden, steps[-1].cell)
    whole = _Step(*(tf.stack(part, axis=2) for part in zip(*steps, strict=True)))
    return whole.hidden, lambda upstream: _gradients(whole, recurrent, upstream)


def _zero(recurrent: tf.Tensor, batch: tf.Tensor) -> LSTMState:
    nothing = tf.zeros([recurrent.shape[0], batch, recurrent.shape[1]])
    return LSTMState(nothing, nothing)


def _step(gates: tf.Tensor, state: LSTMState, recurrent: tf.Tensor) -> _Step:
    parts = tf.split(gates + tf.matmul(state.hidden, recurrent), 4, axis=-1)
    update, forget, output = (tf.sigmoid(parts[place]) for place in (0, 1, 3))
    candidate = tf.tanh(parts[2])
    cell = forget * state.cell + update * candidate
    squashed = tf.tanh(cell)
    return _Step(update, forget, candidate, output, cell, squashed, output * squashed)


def _gradients(whole: _Step, recurrent: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Derivatives by gates and recurrent kernel from that by the hidden states, back through time."""
    slopes = [
        whole.candidate * whole.input * (1 - whole.input),  # of the cell by the first three gates
        _before(whole.cell) * whole.forget * (1 - whole.forget),
        whole.input * (1 - whole.candidate**2),
        whole.squashed * whole.output * (1 - whole.output),  # of the hidden state by the last
    ]
    hidden_by_cell = whole.output * (1 - whole.squashed**2)
    of_steps = (upstream, hidden_by_cell, whole.forget, tf.concat(slopes, axis=-1))
    from_gates = from_cell = tf.zeros_like(upstream[:, :, 0])  # what the next step adds
    found = list[tf.Tensor]()
    for above, by_cell, forget, by_gates in reversed(
        list(zip(*(tf.unstack(x, axis=2) for x in of_steps), strict=True))
    ):
        of_hidden = above + from_gates
        of_cell = of_hidden * by_cell + from_cell
        found.append(tf.concat([of_cell, of_cell, of_cell, of_hidden], axis=-1) * by_gates)
        from_gates, from_cell = tf.matmul(found[-1], recurrent, transpose_b=True), of_cell * forget
    of_gates = tf.stack(found[::-1], axis=2)
    return of_gates, tf.einsum("rbtu,rbtg->rug", _before(whole.hidden), of_gates)


def _before(states: tf.Tensor) -> tf.Tensor:
    """States before each step instead of after it."""
    return tf.concat([tf.zeros_like(states[:, :, :1]), states[:, :, :-1]], axis=2)
