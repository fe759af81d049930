"""Arguments and results of the functions that compute layers directly."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

LayerPullback = Callable[[tf.Tensor], tuple[Sequence[tf.Tensor | None], Sequence[tf.Tensor]]]
"""Gradient of the output -> gradients of the inputs (None: unused) and of the weights."""


class LayerCall(NamedTuple):
    """Arguments of a layer beside its inputs.

    Attributes:
        layer: the planned layer.
        weights: its weights.
        moving: moving statistics, such as mean and variance of a batch normalization.
        moved: list that receives their updates, in training mode.
        training: whether the layer is in training mode.
        of_batch: whether to normalize by the statistics of the batch, in either mode.
        seed: int [2]; random numbers are a function of it.
        step: number of the train step.
        constant: makes an int32 tensor of nested tuples, the same for all layers: a third of a graph's operations
            would be constants otherwise.
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
    """Update of a moving average: `decay` times itself plus `rest` times the value."""

    decay: float
    rest: float
    value: tf.Tensor


LayerFunction = Callable[..., tuple[tf.Tensor, LayerPullback]]
"""Call and inputs -> the output, and its pullback."""


def taped(compute: Callable[..., tf.Tensor]) -> LayerFunction:
    """Adds TensorFlow's gradient to the function that computes a layer's output."""

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
