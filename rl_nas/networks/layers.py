"""Kinds of layers of planned networks: output shapes, weights and costs, without TensorFlow.

`rl_nas.child.network.kinds` builds each kind in Keras and computes it directly. Shapes are (height, width, channels).
Multiply-adds are those of convolutions and dense layers, as the papers count them; normalization, activations, pooling
and additions are free.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

Shape = tuple[int, int, int]
Pair = tuple[int, int]
Padding = Literal["same", "valid"]


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
class Weight:
    """A weight of a layer.

    Attributes:
        name: unique in the layer, as Keras calls it.
        shape: of its value.
        initial: `kernel` (random, by the fan-out), `zeros` or `ones`.
        trainable: whether it is trained; otherwise it is a moving statistic.
        input_axis: the axis with an entry for each input channel; None: there is none.
    """

    name: str
    shape: tuple[int, ...]
    initial: Literal["kernel", "zeros", "ones"] = "kernel"
    trainable: bool = True
    input_axis: int | None = -2

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Layer:
    """A layer that keeps the shape of its only input, has no weights and costs nothing.

    `KEEPS_CHANNELS`: each channel of its output comes from the same one of its input. `RANDOM`: its output differs from
    train step to train step.
    """

    KEEPS_CHANNELS: ClassVar[bool] = False
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
