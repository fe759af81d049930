"""A network as a list of layers in order of computation: what is counted, and what Keras builds."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rl_nas.errors import UsageError
from rl_nas.networks.layers import Cost, Layer, Shape


@dataclass(frozen=True)
class Tensor:
    """The output of a planned layer: its number in the plan (-1: the image) and its shape."""

    node: int
    shape: Shape

    @property
    def channels(self) -> int:
        """Number of feature maps."""
        return self.shape[2]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.shape[:2]


@dataclass(frozen=True)
class Node:
    """One planned layer.

    Attributes:
        name: unlike those of the others.
        layer: what it does.
        inputs: what it reads.
        output: what it makes.
        key: the name with what of the architecture it does not tell, such as the state that an operation reads: where
            networks share weights, their layers of equal keys do.
    """

    name: str
    layer: Layer
    inputs: tuple[Tensor, ...]
    output: Tensor
    key: str


class Plan:
    """Collects the layers of a network. The last one's output leaves it.

    Attributes:
        image: the network's input.
        nodes: the layers, each after those it reads.
        auxiliary: logits that leave it too, where it has an auxiliary head for its training.
    """

    def __init__(self, image_shape: Shape) -> None:
        self.image = Tensor(-1, image_shape)
        self.nodes: list[Node] = []
        self.auxiliary: Tensor | None = None
        self._scope: list[str] = []
        self._keys: list[str] = []
        self._names: set[str] = set()

    def add(self, layer: Layer, *inputs: Tensor, name: str) -> Tensor:
        """Appends a layer that reads `inputs`; returns its output."""
        output = Tensor(len(self.nodes), layer.output_shape(*(t.shape for t in inputs)))
        unique = self._unique(".".join([*self._scope, name]))
        key = ".".join([*self._keys, unique.removeprefix(".".join([*self._scope, ""]))])
        self.nodes.append(Node(unique, layer, inputs, output, key))
        return output

    @contextmanager
    def scope(self, name: str, variant: object = None) -> Iterator[None]:
        """Puts `name.` before the names of the layers added inside, and `name(variant).` before their keys."""
        self._scope.append(name)
        self._keys.append(name if variant is None else f"{name}({variant})")
        try:
            yield
        finally:
            self._scope.pop()
            self._keys.pop()

    @property
    def output(self) -> Tensor:
        """What the network returns."""
        return self.nodes[-1].output

    def check_halvings(self, halvings: int) -> None:
        """Raises `UsageError` unless the image can be halved so often."""
        height, width = self.image.size
        if min(height, width) < 2**halvings:
            raise UsageError(
                f"images of {height}x{width} pixels are too small for {halvings} reductions; expected at least"
                f" {2**halvings} pixels, or fewer --reductions"
            )

    def prune(self) -> None:
        """Drops the layers that no output depends on, such as those of a cell's dead blocks."""
        needed = {self.output.node} | ({self.auxiliary.node} if self.auxiliary else set())
        for node in reversed(self.nodes):
            if node.output.node in needed:
                needed |= {tensor.node for tensor in node.inputs}
        self.nodes = [node for node in self.nodes if node.output.node in needed]

    def cost(self) -> Cost:
        """Parameters and multiply-adds of the whole network."""
        costs = (node.layer.cost(*(t.shape for t in node.inputs)) for node in self.nodes)
        return sum(costs, start=Cost())

    def activations(self) -> int:
        """Numbers that all layers put out for one image."""
        return sum(math.prod(node.output.shape) for node in self.nodes)

    def _unique(self, name: str) -> str:
        number = 1
        unique = name
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique
