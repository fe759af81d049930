"""Kinds of layers of planned networks, without TensorFlow.

`rl_nas.child.network.kinds` builds each kind in Keras and computes it directly.
"""

import math
from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from rl_nas.networks.layer import Cost, Layer, Shape, Weight

Pair = tuple[int, int]
Padding = Literal["same", "valid"]


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
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        return (Weight("kernel", (*self.kernel, inputs[0][2], self.filters)),)

    @override
    def madds(self, *inputs: Shape) -> int:
        height, width, _ = self.output_shape(*inputs)
        return sum(weight.size for weight in self.weights(*inputs)) * height * width


@dataclass(frozen=True)
class SeparableConv(Layer):
    """Depthwise convolution, then directly a 1x1 convolution, without bias.

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
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        channels = inputs[0][2]
        return (
            Weight("depthwise_kernel", (self.kernel, self.kernel, channels, 1)),
            Weight("pointwise_kernel", (1, 1, channels, self.filters)),
        )

    @override
    def madds(self, *inputs: Shape) -> int:
        height, width, _ = self.output_shape(*inputs)
        return sum(weight.size for weight in self.weights(*inputs)) * height * width


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization with scale and offset."""

    momentum: float
    epsilon: float

    @override
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        shape = (inputs[0][2],)
        return (
            Weight("gamma", shape, "ones", input_axis=0),
            Weight("beta", shape, "zeros", input_axis=0),
            Weight("moving_mean", shape, "zeros", trainable=False, input_axis=0),
            Weight("moving_variance", shape, "ones", trainable=False, input_axis=0),
        )


@dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0)."""

    KEEPS_CHANNELS = True


@dataclass(frozen=True)
class Pool(Layer):
    """Average (padding not counted) or maximum over a square window."""

    KEEPS_CHANNELS = True

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
    """Shifts the image up and left by one pixel; the bottom and the right get zeros.

    Built from a zero padding and a cropping, both parameter-free.
    """

    KEEPS_CHANNELS = True


@dataclass(frozen=True)
class Pad(Layer):
    """Rows and columns of zeros around the image."""

    KEEPS_CHANNELS = True

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
    """The first channels of every pixel."""

    channels: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:2], self.channels)


@dataclass(frozen=True)
class Zero(Layer):
    """Multiplication by 0."""


@dataclass(frozen=True)
class TrainingFraction(Layer):
    """The completed fraction of `steps` train steps, 0 to 1, whatever the input."""

    RANDOM = True

    steps: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, 1

    @override
    def cost(self, *inputs: Shape) -> Cost:
        return Cost(other=1)


@dataclass(frozen=True)
class DropPath(Layer):
    """Scheduled drop path (Zoph et al. 2018): zeroes its first input for whole images in training.

    The second input is the completed fraction of the training; the probability of keeping falls linearly with it, from
    1 to `keep`, and kept images are divided by it.
    """

    KEEPS_CHANNELS = True
    RANDOM = True

    keep: float


@dataclass(frozen=True)
class Add(Layer):
    """Element-wise sum of inputs of one shape."""


@dataclass(frozen=True)
class Concat(Layer):
    """Concatenation along the channels.

    Attributes:
        chosen: whether the choice of tensors is part of the architecture.
    """

    chosen: bool = False

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, _ = inputs[0]
        return height, width, sum(shape[2] for shape in inputs)


@dataclass(frozen=True)
class GlobalPool(Layer):
    """Mean over all pixels."""

    KEEPS_CHANNELS = True

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, 1, inputs[0][2]


@dataclass(frozen=True)
class Dropout(Layer):
    """Zeroes a fraction `rate` of the values in training."""

    KEEPS_CHANNELS = True
    RANDOM = True

    rate: float


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


def _window(shape: Shape, size: Pair, strides: Pair, padding: Padding) -> Pair:
    """Height and width after a sliding window."""
    if padding == "same":
        return math.ceil(shape[0] / strides[0]), math.ceil(shape[1] / strides[1])
    return (shape[0] - size[0]) // strides[0] + 1, (shape[1] - size[1]) // strides[1] + 1
