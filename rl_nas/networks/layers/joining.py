"""Sums, concatenations, paddings and croppings: layers without weights that move values."""

import math
from dataclasses import dataclass

from typing_extensions import override

from rl_nas.networks.layer import Layer, Shape
from rl_nas.networks.layers.window import Pair


@dataclass(frozen=True)
class Add(Layer):
    """Element-wise sum of inputs of one shape."""


@dataclass(frozen=True)
class GlobalAttention(Layer):
    """Sum of two inputs of one shape, the second weighted by what the first holds (Ghiasi et al. 2019, section 3.2).

    Each channel of the second is multiplied by the sigmoid of the first's maximum over all pixels.
    """


@dataclass(frozen=True)
class FlattenLevels(Layer):
    """Values of all places of several levels, one after the other: [1, places, values].

    A level [height, width, channels] has channels / values places at each pixel, row by row.

    Attributes:
        values: of a place; they divide the channels.
    """

    values: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return 1, sum(math.prod(shape) for shape in inputs) // self.values, self.values


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
class Shift(Layer):
    """Shifts the image up and left by some pixels, fewer than its sides; the bottom and the right get zeros.

    Built from a zero padding and a cropping, both parameter-free.
    """

    KEEPS_CHANNELS = True

    pixels: int = 1


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
class CropChannels(Layer):
    """The first channels of every pixel."""

    channels: int

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:2], self.channels)


@dataclass(frozen=True)
class CropImage(Layer):
    """The upper left part of the image."""

    KEEPS_CHANNELS = True

    size: Pair

    @override
    def output_shape(self, *inputs: Shape) -> Shape:
        return (*self.size, inputs[0][2])


@dataclass(frozen=True)
class Zero(Layer):
    """Multiplication by 0."""
