"""The weights of a planned network with the values that they start from: those of its Keras model."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rl_nas.networks import layers
from rl_nas.networks.plan import Node, Plan

_TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal variable that is drawn again where it is beyond 2."""

Initial = Callable[[tuple[int, ...], int], np.ndarray]
"""Shape, seed -> the value that a parameter starts from."""


class Parameter:
    """What is needed of a Keras variable: its path in the model, its shape and its value.

    Attributes:
        path: as in the Keras model of the plan, such as `stem.conv/kernel`.
        shape: of the value.
        initial: makes the first value, and that of a part of it, when it is asked for.
        dtype: of the value.
    """

    def __init__(
        self, path: str, shape: tuple[int, ...], initial: Initial, seed: int = 0, dtype: str = "float32"
    ) -> None:
        self.path, self.shape, self.initial, self.dtype = path, shape, initial, dtype
        self._seed = seed
        self._value: np.ndarray | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def numpy(self) -> np.ndarray:
        """The value."""
        return self.initial(self.shape, self._seed) if self._value is None else self._value

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


def initial_kernel(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Variance scaling by fan-out, factor 2, as in the released code of Zoph et al. 2018; an `Initial`.

    The numbers are NumPy's, as Keras' `VarianceScaling` takes longer to draw the kernels of a child than they take to
    be trained for two steps. Like its, they are normal, without those beyond two deviations, and scaled for that.
    """
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape, np.float32)
    beyond = np.abs(values) > 2
    while beyond.any():
        values[beyond] = rng.standard_normal(beyond.sum(), np.float32)
        beyond = np.abs(values) > 2
    fan_out = math.prod(shape[:-2]) * shape[-1]
    return values * np.float32(math.sqrt(2 / fan_out) / _TRUNCATED_DEVIATION)


def initial_parameters(node: Node, seed: int) -> NodeParameters:
    """The parameters of a layer, with their initial values.

    Args:
        node: the layer.
        seed: the kernels are functions of it.
    """
    spec, channels = node.layer, node.inputs[0].channels

    def kernel(name: str, *shape: int, offset: int = 0) -> Parameter:
        return Parameter(f"{node.name}/{name}", shape, initial_kernel, seed + offset)

    def constant(name: str, initial: Initial, size: int) -> Parameter:
        return Parameter(f"{node.name}/{name}", (size,), initial)

    match spec:
        case layers.Conv():
            return NodeParameters([kernel("kernel", *spec.kernel, channels, spec.filters)], [])
        case layers.SeparableConv():
            depthwise = kernel("depthwise_kernel", spec.kernel, spec.kernel, channels, 1)
            return NodeParameters([depthwise, kernel("pointwise_kernel", 1, 1, channels, spec.filters, offset=1)], [])
        case layers.BatchNorm():
            moving = [constant("moving_mean", zeros, channels), constant("moving_variance", _ones, channels)]
            return NodeParameters([constant("gamma", _ones, channels), constant("beta", zeros, channels)], moving)
        case layers.Dense():
            return NodeParameters([kernel("kernel", channels, spec.units), constant("bias", zeros, spec.units)], [])
        case _:
            return NodeParameters([], [])


def zeros(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """An `Initial`."""
    return np.zeros(shape, np.float32)


def _ones(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def is_random(node: Node) -> bool:
    """Whether the layer's output differs from step to step."""
    return isinstance(node.layer, layers.DropPath | layers.Dropout | layers.TrainingProgress)
