"""The weights of a planned network with the values that they start from: those of its Keras model."""

from typing import NamedTuple

import keras
import numpy as np

from rl_nas.networks import layers
from rl_nas.networks.plan import Node, Plan


class Parameter:
    """What is needed of a Keras variable: its path in the model, its shape and its value.

    Args:
        path: as in the Keras model of the plan, such as `stem.conv/kernel`.
        value: array of its initial value.
    """

    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self._value = path, value

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the value."""
        return self._value.shape

    @property
    def dtype(self) -> str:
        """That of the value."""
        return str(self._value.dtype)

    def numpy(self) -> np.ndarray:
        """The value."""
        return self._value

    def assign(self, value: np.ndarray) -> None:
        """Changes the value."""
        self._value = np.asarray(value)


class NodeParameters(NamedTuple):
    """Those of one layer: what is trained, and the moving statistics."""

    trainable: list[Parameter]
    moving: list[Parameter]


def node_seeds(plan: Plan, seed: int) -> list[int]:
    """A seed for each layer."""
    return [int(node_seed) for node_seed in np.random.SeedSequence(seed).generate_state(len(plan.nodes))]


def kernel_initializer(seed: int) -> keras.initializers.Initializer:
    """As in the released code of Zoph et al. 2018: variance scaling by fan-out, factor 2."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal", seed=seed)


def initial_parameters(node: Node, seed: int) -> NodeParameters:
    """The parameters of a layer, with their initial values.

    Args:
        node: the layer.
        seed: the kernels are functions of it.
    """
    spec, channels = node.layer, node.inputs[0].channels

    def kernel(name: str, *shape: int, offset: int = 0) -> Parameter:
        return Parameter(f"{node.name}/{name}", np.asarray(kernel_initializer(seed + offset)(shape)))

    def constant(name: str, value: float, size: int) -> Parameter:
        return Parameter(f"{node.name}/{name}", np.full(size, value, np.float32))

    match spec:
        case layers.Conv():
            return NodeParameters([kernel("kernel", *spec.kernel, channels, spec.filters)], [])
        case layers.SeparableConv():
            depthwise = kernel("depthwise_kernel", spec.kernel, spec.kernel, channels, 1)
            return NodeParameters([depthwise, kernel("pointwise_kernel", 1, 1, channels, spec.filters, offset=1)], [])
        case layers.BatchNorm():
            moving = [constant("moving_mean", 0, channels), constant("moving_variance", 1, channels)]
            return NodeParameters([constant("gamma", 1, channels), constant("beta", 0, channels)], moving)
        case layers.Dense():
            return NodeParameters([kernel("kernel", channels, spec.units), constant("bias", 0, spec.units)], [])
        case _:
            return NodeParameters([], [])


def is_random(node: Node) -> bool:
    """Whether the layer's output differs from step to step."""
    return isinstance(node.layer, layers.DropPath | layers.Dropout | layers.TrainingProgress)
