"""Layers that differ from train step to train step."""

from dataclasses import dataclass

from typing_extensions import override

from rl_nas.networks.layer import Cost, Layer, Shape


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
class Dropout(Layer):
    """Zeroes a fraction `rate` of the values in training."""

    KEEPS_CHANNELS = True
    IN_PLACE = True
    RANDOM = True

    rate: float
