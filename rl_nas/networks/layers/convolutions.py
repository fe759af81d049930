"""Convolutions."""

from dataclasses import dataclass

from typing_extensions import override

from rl_nas.networks.layer import Constant, Layer, Normal, Shape, Weight
from rl_nas.networks.layers.window import Padding, Pair, window_size


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution. Strides above 1 and dilation above 1 exclude each other.

    Attributes:
        filters: channels of the output.
        kernel: its height and width.
        strides: down and across.
        dilation: rate of rows and columns.
        padding: "same" with zeros, or "valid".
        bias: whether there is one.
        initial_bias: the value that it starts with.
        deviation: of the kernel's initial values; None: by the fan-out.
    """

    filters: int
    kernel: Pair
    strides: Pair = (1, 1)
    dilation: int = 1
    padding: Padding = "same"
    bias: bool = False
    initial_bias: float = 0.0
    deviation: float | None = None

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*window_size(inputs[0], self.kernel, self.strides, self.padding, self.dilation), self.filters)

    @override
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        shape = (*self.kernel, inputs[0][2], self.filters)
        kernel = Weight("kernel", shape, "kernel" if self.deviation is None else Normal(self.deviation))
        bias = Weight("bias", (self.filters,), Constant(self.initial_bias), input_axis=None)
        return (kernel, bias) if self.bias else (kernel,)

    @override
    def madds(self, *inputs: Shape) -> int:
        height, width, _ = self.output_shape(*inputs)
        return self.weights(*inputs)[0].size * height * width


@dataclass(frozen=True)
class SeparableConv(Layer):
    """Depthwise convolution, then directly a 1x1 convolution, without bias.

    A stride above 1 and a dilation above 1 exclude each other.
    """

    filters: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: Padding = "same"

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        square, stride = (self.kernel, self.kernel), (self.stride, self.stride)
        return (*window_size(inputs[0], square, stride, self.padding, self.dilation), self.filters)

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
class DepthwiseConv(Layer):
    """Convolution of each channel alone, without bias.

    Attributes:
        kernel: its height and width.
        dilation: rates of rows and columns.
    """

    KEEPS_CHANNELS = True

    kernel: int
    dilation: Pair = (1, 1)

    @override
    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        return (Weight("kernel", (self.kernel, self.kernel, inputs[0][2], 1)),)

    @override
    def madds(self, *inputs: Shape) -> int:
        height, width, _ = inputs[0]
        return self.weights(*inputs)[0].size * height * width
