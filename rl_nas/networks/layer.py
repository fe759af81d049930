"""A layer of a planned network: its output shape, weights and cost, without TensorFlow.

Shapes are (height, width, channels). Multiply-adds are those of convolutions and dense layers, as the papers count
them; normalization, activations, pooling and additions are free.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Cost:
    """Cost of a layer or a network.

    Attributes:
        trainable: parameters that are trained.
        other: parameters that are not (moving means and variances).
        madds: multiply-adds of one image's forward pass.
    """

    trainable: int = 0
    other: int = 0
    madds: int = 0

    def __add__(self, cost: "Cost") -> "Cost":
        return Cost(self.trainable + cost.trainable, self.other + cost.other, self.madds + cost.madds)


@dataclass(frozen=True)
class Normal:
    """Random initial values of a standard deviation."""

    deviation: float


@dataclass(frozen=True)
class Constant:
    """Equal initial values."""

    value: float


@dataclass(frozen=True)
class Weight:
    """A weight of a layer.

    Attributes:
        name: unique in the layer, as Keras calls it.
        shape: of its value.
        initial: `kernel` (random, by the fan-out), `zeros`, `ones`, or others.
        trainable: whether it is trained; otherwise it is a moving statistic.
        input_axis: the axis with an entry for each input channel; None: there is none.
    """

    name: str
    shape: tuple[int, ...]
    initial: Literal["kernel", "zeros", "ones"] | Normal | Constant = "kernel"
    trainable: bool = True
    input_axis: int | None = -2

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Layer:
    """A layer that keeps the shape of its only input, has no weights and costs nothing.

    `KEEPS_CHANNELS`: each channel of its output comes from the same one of its input. `RANDOM`: its output differs from
    train step to train step. `IN_PLACE`: its output can take the place of its only input in memory.
    """

    KEEPS_CHANNELS: ClassVar[bool] = False
    IN_PLACE: ClassVar[bool] = False
    RANDOM: ClassVar[bool] = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output for inputs of these shapes."""
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Weights for inputs of these shapes."""
        return ()

    def madds(self, *inputs: Shape) -> int:
        """Multiply-adds of one image for inputs of these shapes."""
        return 0

    def cost(self, *inputs: Shape) -> Cost:
        """Parameters and multiply-adds for inputs of these shapes."""
        weights = self.weights(*inputs)
        trainable = sum(weight.size for weight in weights if weight.trainable)
        other = sum(weight.size for weight in weights if not weight.trainable)
        return Cost(trainable, other, self.madds(*inputs))
