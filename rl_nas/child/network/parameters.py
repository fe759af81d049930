"""The weights of a planned network with their initial values, those of its Keras model."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rl_nas.networks.layer import Constant, Normal, Weight
from rl_nas.networks.plan import Node, Plan

_TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal variable truncated at 2."""

Initial = Callable[[tuple[int, ...], int], np.ndarray]
"""Shape, seed -> the initial value of a parameter."""


class Parameter:
    """The part of a Keras variable that is needed: its path in the model, its shape and its value.

    Attributes:
        path: as in the Keras model of the plan, such as `stem.conv/kernel`.
        shape: of the value.
        initial: makes the initial value, and that of a part of it, on demand.
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
    """Parameters of one layer: trainable ones, and others, such as moving statistics."""

    trainable: list[Parameter]
    other: list[Parameter]


def node_seeds(plan: Plan, seed: int) -> list[int]:
    """A seed for each layer."""
    return [int(node_seed) for node_seed in np.random.SeedSequence(seed).generate_state(len(plan.nodes))]


def initial_kernel(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Variance scaling by fan-out, factor 2, as in the released code of Zoph et al. 2018; an `Initial`.

    NumPy draws the numbers, as Keras' `VarianceScaling` takes longer to draw a child's kernels than two train steps
    take. As there, they are normal, truncated at two deviations, and scaled for that.
    """
    fan_out = math.prod(shape[:-2]) * shape[-1]
    return _truncated_normal(shape, seed, math.sqrt(2 / fan_out))


def _truncated_normal(shape: tuple[int, ...], seed: int, deviation: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape, np.float32)
    beyond = np.abs(values) > 2
    while beyond.any():
        values[beyond] = rng.standard_normal(beyond.sum(), np.float32)
        beyond = np.abs(values) > 2
    return values * np.float32(deviation / _TRUNCATED_DEVIATION)


def initial_parameters(node: Node, seed: int) -> NodeParameters:
    """The parameters of a layer, with their initial values; none if it uses another layer's.

    Args:
        node: the layer.
        seed: the kernels are functions of it and of their place in the layer.
    """
    if node.weights_of is not None:
        return NodeParameters([], [])
    weights = node.layer.weights(*(tensor.shape for tensor in node.inputs))
    created = [
        (Parameter(f"{node.name}/{weight.name}", weight.shape, initial_of(weight), seed + place), weight)
        for place, weight in enumerate(weights)
    ]
    trained = [parameter for parameter, weight in created if weight.trainable and not node.frozen]
    return NodeParameters(trained, [parameter for parameter, _ in created if parameter not in trained])


def zeros(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """An `Initial`."""
    return np.zeros(shape, np.float32)


def _ones(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def initial_of(weight: Weight) -> Initial:
    """The function that makes a weight's initial value."""
    match weight.initial:
        case Normal(deviation):
            return lambda shape, seed: _truncated_normal(shape, seed, deviation)
        case Constant(value):
            return lambda shape, seed: np.full(shape, value, np.float32)
        case name:
            return _INITIAL[name]


_INITIAL: dict[str, Initial] = {"kernel": initial_kernel, "zeros": zeros, "ones": _ones}
