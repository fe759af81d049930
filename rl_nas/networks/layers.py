"""The kinds of layers that networks are planned from: their output shapes and costs, without TensorFlow.

Each kind becomes one stock Keras layer (`rl_nas.child.network.keras_model`). Shapes are (height, width, channels).
Multiply-adds are those of convolutions and dense layers, as the papers count them; normalisation,
activations, pooling and additions are free.
"""

import math
from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

Shape = tuple[int, int, int]
Pair = tuple[int, int]
Padding = Literal["same", "valid"]


@dataclass(frozen=True)
class Cost:
    """What a layer or a network costs.

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


class Layer:
    """A layer that keeps the shape of its only input and costs nothing."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output for inputs of these shapes."""
        return inputs[0]

    def cost(self, *inputs: Shape) -> Cost:
        """Parameters and multiply-adds for inputs of these shapes."""
        return Cost()


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution without bias. Strides above 1 and dilation above 1 exclude each other."""

    filters: int
    kernel: Pair
    strides: Pair = (1, 1)
    dilation: int = 1
    padding: Padding = "same"

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_window(inputs[0], self.kernel, self.strides, self.padding), self.filters)

    @override
    def cost(self, *inputs: Shape) -> Cost:
        weights = math.prod(self.kernel) * inputs[0][2] * self.filters
        height, width, _ = self.output_shape(*inputs)
        return Cost(trainable=weights, madds=weights * height * width)


@dataclass(frozen=True)
class SeparableConv(Layer):
    """Depthwise convolution, then a 1x1 convolution, nothing between them, no bias.

    A stride above 1 and a dilation above 1 exclude each other.
    """

    filters: int
    kernel: int
    stride: int = 1
    dilation: int = 1

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        square, stride = (self.kernel, self.kernel), (self.stride, self.stride)
        return (*_window(inputs[0], square, stride, "same"), self.filters)

    @override
    def cost(self, *inputs: Shape) -> Cost:
        channels = inputs[0][2]
        weights = self.kernel**2 * channels + channels * self.filters
        height, width, _ = self.output_shape(*inputs)
        return Cost(trainable=weights, madds=weights * height * width)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation with scale and centre."""

    momentum: float
    epsilon: float

    @override
    def cost(self, *inputs: Shape) -> Cost:
        return Cost(trainable=2 * inputs[0][2], other=2 * inputs[0][2])


@dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0)."""


@dataclass(frozen=True)
class Pool(Layer):
    """Average (padding not counted) or maximum over a square window."""

    kind: Literal["avg", "max"]
    size: int
    stride: int = 1
    padding: Padding = "same"

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        square, stride = (self.size, self.size), (self.stride, self.stride)
        return (*_window(inputs[0], square, stride, self.padding), inputs[0][2])


@dataclass(frozen=True)
class ShiftByOne(Layer):
    """Moves the image up and left by one pixel; zeros come in at the bottom and the right.

    Built from a zero padding and a cropping, both parameter-free.
    """


@dataclass(frozen=True)
class Pad(Layer):
    """Rows and columns of zeros around the image."""

    top: int
    bottom: int
    left: int
    right: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = inputs[0]
        return height + self.top + self.bottom, width + self.left + self.right, channels


@dataclass(frozen=True)
class Crop(Layer):
    """The first channels; the pixels stay."""

    channels: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:2], self.channels)


@dataclass(frozen=True)
class Zero(Layer):
    """Everything times 0."""


@dataclass(frozen=True)
class TrainingProgress(Layer):
    """The share of `steps` training steps that are done, 0 to 1, whatever the input is."""

    steps: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, 1

    @override
    def cost(self, *inputs: Shape) -> Cost:
        return Cost(other=1)


@dataclass(frozen=True)
class DropPath(Layer):
    """Scheduled drop path (Zoph et al. 2018): zeroes its first input for whole images, while training.

    The second input is the training progress; the probability of keeping falls linearly with it, from 1
    to `keep`, and what is kept is divided by it.
    """

    keep: float


@dataclass(frozen=True)
class Add(Layer):
    """Element-wise sum of inputs of one shape."""


@dataclass(frozen=True)
class Concat(Layer):
    """Concatenation along the channels.

    Attributes:
        chosen: which tensors are joined is part of the architecture.
    """

    chosen: bool = False

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, _ = inputs[0]
        return height, width, sum(shape[2] for shape in inputs)


@dataclass(frozen=True)
class GlobalPool(Layer):
    """Mean over all pixels."""

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, inputs[0][2]


@dataclass(frozen=True)
class Dropout(Layer):
    """Zeroes a share `rate` of the values while training."""

    rate: float


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer with bias."""

    units: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, self.units

    @override
    def cost(self, *inputs: Shape) -> Cost:
        weights = math.prod(inputs[0]) * self.units
        return Cost(trainable=weights + self.units, madds=weights)


def _window(shape: Shape, size: Pair, strides: Pair, padding: Padding) -> Pair:
    """Height and width after a sliding window."""
    if padding == "same":
        return math.ceil(shape[0] / strides[0]), math.ceil(shape[1] / strides[1])
    return (shape[0] - size[0]) // strides[0] + 1, (shape[1] - size[1]) // strides[1] + 1
