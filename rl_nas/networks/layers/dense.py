"""Dense layers, normalization and activation."""

import math
from dataclasses import dataclass

from typing_extensions import override

from rl_nas.networks.layer import Layer, Shape, Weight


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization with scale and offset.

    Attributes:
        momentum: decay of the moving statistics.
        epsilon: added to the variance.
        frozen: not trained: it normalizes by the moving statistics, in training too, and nothing of it changes.
    """

    IN_PLACE = True

    momentum: float
    epsilon: float
    frozen: bool = False

    @override
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        shape = (inputs[0][2],)
        return (
            Weight("gamma", shape, "ones", trainable=not self.frozen, input_axis=0),
            Weight("beta", shape, "zeros", trainable=not self.frozen, input_axis=0),
            Weight("moving_mean", shape, "zeros", trainable=False, input_axis=0),
            Weight("moving_variance", shape, "ones", trainable=False, input_axis=0),
        )


@dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0)."""

    IN_PLACE = True
    KEEPS_CHANNELS = True


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer with bias."""

    units: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, self.units

    @override
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        return (
            Weight("kernel", (math.prod(inputs[0]), self.units)),
            Weight("bias", (self.units,), "zeros", input_axis=None),
        )

    @override
    def madds(self, *inputs: Shape) -> int:
        return math.prod(inputs[0]) * self.units
