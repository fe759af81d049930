"""Arguments and results of the functions that compute layers directly."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

LayerPullback = Callable[[tf.Tensor], tuple[Sequence[tf.Tensor | None], Sequence[tf.Tensor]]]
"""The gradient of the output -> those of the inputs (None: does not matter) and of the weights."""


class LayerCall(NamedTuple):
    """Arguments of a layer beside its inputs.

    Attributes:
        layer: the planned layer.
        weights: its trainable weights.
        moving: moving statistics, such as mean and variance of a batch normalization.
        moved: receives, in training mode, where they go.
        training: whether in training mode.
        of_batch: whether normalized by the statistics of the batch, in training mode as out of it.
        seed: int [2]; what is random is a function of it.
        step: number of the train step.
        constant: makes an int32 tensor of nested tuples, one for all layers that ask for it: a third of a graph's
            operations would be constants otherwise.
    """

    layer: Any
    weights: Sequence[tf.Tensor]
    moving: Sequence[tf.Tensor]
    moved: list["Moved"]
    training: bool
    of_batch: bool
    seed: tf.Tensor | None
    step: tf.Tensor | None
    constant: Callable[[Any], tf.Tensor]


class Moved(NamedTuple):
    """Where a moving average goes: `decay` times itself and `rest` times the value."""

    decay: float
    rest: float
    value: tf.Tensor


LayerFunction = Callable[..., tuple[tf.Tensor, LayerPullback]]
"""Function of the call and of the inputs -> the output, and its pullback."""


def taped(compute: Callable[..., tf.Tensor]) -> LayerFunction:
    """Adds to a layer that computes its output the gradient that TensorFlow knows."""

    def function(call: LayerCall, *inputs: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
        sources = [*inputs, *call.weights]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            output = compute(call, *inputs)

        def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
            gradients = tape.gradient(output, sources, gradient, unconnected_gradients="zero")
            return gradients[: len(inputs)], gradients[len(inputs) :]

        return output, pullback

    return function
