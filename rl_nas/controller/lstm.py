"""A layer of long short-term memory (Hochreiter and Schmidhuber 1997): one step, and sequences with few operations.

Tensors begin with the axes [replicas, batch]. The parts of `gates`, 4 units wide, are those of the input gate, the
forget gate, the candidate and the output gate.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class LSTMState(NamedTuple):
    """State of a layer after a step, each float [replicas, batch, units]."""

    hidden: tf.Tensor
    cell: tf.Tensor

    @classmethod
    def zero(cls, like: tf.Tensor) -> "LSTMState":
        """The state before the first step, of the shape of another tensor."""
        return cls(tf.zeros_like(like), tf.zeros_like(like))


class _Step(NamedTuple):
    """What a step computes, each float [replicas, batch, units]."""

    input: tf.Tensor
    forget: tf.Tensor
    candidate: tf.Tensor
    output: tf.Tensor
    cell: tf.Tensor
    squashed: tf.Tensor
    hidden: tf.Tensor


def lstm_step(gates: tf.Tensor, state: LSTMState, recurrent: tf.Tensor) -> LSTMState:
    """Advances a layer by a step.

    Args:
        gates: what the layer's input adds to the gates, with the bias, float [replicas, batch, 4 units].
        state: before the step.
        recurrent: the recurrent kernel, float [replicas, units, 4 units].
    """
    step = _step(gates, state, recurrent)
    return LSTMState(step.hidden, step.cell)


@tf.custom_gradient
def lstm_sequence(gates: tf.Tensor, recurrent: tf.Tensor) -> tuple[tf.Tensor, _Gradient]:
    """Hidden states of a layer over a sequence from the zero state, float [replicas, batch, steps, units].

    Its gradient has a quarter of the operations of an automatic one: all but what goes from step to step is computed
    for the whole sequence at once. The time that a policy takes is that of making and launching its operations.

    Args:
        gates: what the layer's inputs add to the gates, with the bias, float [replicas, batch, steps, 4 units]; the
            number of steps is static.
        recurrent: the recurrent kernel, float [replicas, units, 4 units].
    """
    steps, state = list[_Step](), LSTMState.zero(gates[:, :, 0, : gates.shape[-1] // 4])
    for of_step in tf.unstack(gates, axis=2):
        steps.append(_step(of_step, state, recurrent))
        state = LSTMState(steps[-1].hidden, steps[-1].cell)
    whole = _Step(*(tf.stack(part, axis=2) for part in zip(*steps, strict=True)))
    return whole.hidden, lambda upstream: _gradients(whole, recurrent, upstream)


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
