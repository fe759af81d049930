"""What the functions of layers are called with, and what they give."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

Pullback = Callable[[tf.Tensor], tuple[Sequence[tf.Tensor | None], Sequence[tf.Tensor]]]
"""The gradient of the output -> those of the inputs (None: does not matter) and of the weights."""


class Call(NamedTuple):
    """What a layer is called with, beside its inputs.

    Attributes:
        layer: the planned layer.
        weights: its trainable weights.
        moving: moving mean and variance of a batch normalisation.
        moved: receives, in training mode, what they are moved towards.
        training: whether in training mode.
        of_batch: whether normalised by the statistics of the batch, in training mode as out of it.
        seed: int [2]; what is random is a function of it.
        step: number of the training step.
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


Function = Callable[..., tuple[tf.Tensor, Pullback]]
