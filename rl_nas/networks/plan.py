"""A network as a list of layers in order of computation, to be counted, built in Keras or computed directly."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rl_nas.errors import UsageError
from rl_nas.networks.layer import Cost, Layer, Shape
from rl_nas.networks.layers import BatchNorm, Pad, Pair

MAX_LAYERS, MAX_OUTPUT = 20_000, 2**31 - 1
"""Most layers of a network, and numbers in a layer's output for one image: TensorFlow counts them in 32 bits."""


@dataclass(frozen=True)
class Tensor:
    """The output of a planned layer: its number in the plan (below 0: an input of the network) and its shape."""

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
        name: unique in the plan.
        layer: its kind and parameters.
        inputs: tensors that it reads.
        output: tensor that it computes.
        key: the name with further choices of the architecture, such as the state that an operation reads: in weight
            sharing, layers with equal keys share their weights.
        weights_of: name of an earlier layer whose weights it uses; None: it has its own.
        frozen: whether its weights are not trained.
    """

    name: str
    layer: Layer
    inputs: tuple[Tensor, ...]
    output: Tensor
    key: str
    weights_of: str | None = None
    frozen: bool = False


class Plan:
    """Collects the layers of a network.

    Attributes:
        inputs: of the network, by name.
        image_size: height and width of its images, without padding.
        outputs: of the network, by name.
        nodes: the layers, each after those it reads.
    """

    def __init__(self, inputs: Mapping[str, Shape], image_size: Pair | None = None) -> None:
        self.inputs = {name: Tensor(-1 - number, shape) for number, (name, shape) in enumerate(inputs.items())}
        self.outputs: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self._scope: list[str] = []
        self._keys: list[str] = []
        self._names: set[str] = set()
        self._count = 0
        self._place: int | None = None  # in the list, where layers are inserted; None: at its end
        self._image = self.inputs.get("image")
        self.image_size = image_size or next(iter(self.inputs.values())).size

    @classmethod
    def of_image(cls, shape: Shape) -> "Plan":
        """A plan whose only input is an image."""
        return cls({"image": shape})

    @property
    def image(self) -> Tensor:
        """The image that a backbone reads: the input of that name, padded if `pad_image` was called."""
        assert self._image is not None
        return self._image

    def pad_image(self, multiple: int) -> None:
        """Pads the image with zeros, at the bottom and on the right, to sides that are multiples of a number."""
        below, beside = (-side % multiple for side in self.image.size)
        if below or beside:
            self._image = self.add(Pad(0, below, 0, beside), self.image, name="pad")

    def add(self, layer: Layer, *inputs: Tensor, name: str, weights_of: Tensor | None = None) -> Tensor:
        """Adds a layer that reads `inputs`; returns its output.

        Raises `UsageError` if the layers or the numbers in the output are too many to be computed.

        Args:
            layer: its kind and parameters.
            inputs: tensors that it reads.
            name: in the present scope.
            weights_of: the output of an equal layer without moving statistics, whose weights this one uses too.
        """
        output = Tensor(self._count, layer.output_shape(*(t.shape for t in inputs)))
        self._check_size(output)
        unique = self._unique(".".join([*self._scope, name]))
        key = ".".join([*self._keys, unique.removeprefix(".".join([*self._scope, ""]))])
        node = Node(unique, layer, inputs, output, key, self._owner(layer, inputs, weights_of))
        self.nodes.insert(len(self.nodes) if self._place is None else self._place, node)
        self._count += 1
        self._place = None if self._place is None else self._place + 1
        return output

    def _check_size(self, output: Tensor) -> None:
        if self._count >= MAX_LAYERS:
            raise UsageError(f"network of more than {MAX_LAYERS:,} layers; give fewer --cells or a smaller genotype")
        if math.prod(output.shape) > MAX_OUTPUT:
            size = "x".join(map(str, output.shape))
            raise UsageError(
                f"network with a layer whose output has the shape {size}; expected at most {MAX_OUTPUT:,} numbers: give"
                " a smaller --image_size or fewer --filters"
            )

    @contextmanager
    def behind(self, tensor: Tensor) -> Iterator[None]:
        """Inserts the layers added inside directly behind the one that computes `tensor`."""
        before = self._place
        self._place = 1 + next(n for n, node in enumerate(self.nodes) if node.output == tensor)
        try:
            yield
        finally:
            self._place = before

    @contextmanager
    def scope(self, name: str, variant: object = None) -> Iterator[None]:
        """Prefixes the names of the layers added inside with `name.`, and their keys with `name(variant).`."""
        self._scope.append(name)
        self._keys.append(name if variant is None else f"{name}({variant})")
        try:
            yield
        finally:
            self._scope.pop()
            self._keys.pop()

    def check_halvings(self, halvings: int) -> None:
        """Raises `UsageError` unless the image can be halved this often."""
        height, width = self.image.size
        if min(height, width) < 2**halvings:
            raise UsageError(
                f"images of {height}x{width} pixels are too small for {halvings} reductions; expected at least"
                f" {2**halvings} pixels, or fewer --reductions"
            )

    def text(self) -> str:
        """A text that plans share if they compute the same with the same weights."""
        names = {tensor.node: name for name, tensor in self.inputs.items()}
        names |= {node.output.node: node.name for node in self.nodes}
        layers = [(node.name, node.layer, [names[x.node] for x in node.inputs], node.weights_of) for node in self.nodes]
        return repr((layers, {name: names[tensor.node] for name, tensor in sorted(self.outputs.items())}))

    def prune(self) -> None:
        """Removes layers that no output depends on, such as those of a cell's dead blocks."""
        needed = {tensor.node for tensor in self.outputs.values()}
        for node in reversed(self.nodes):
            if node.output.node in needed:
                needed |= {tensor.node for tensor in node.inputs}
        kept = [node for node in self.nodes if node.output.node in needed]
        first: dict[str, str] = {}  # layer that has weights -> the first of those kept that use them
        for node in kept:
            first.setdefault(node.weights_of or node.name, node.name)
        for place, node in enumerate(kept):
            owner = first[node.weights_of or node.name]
            if node.weights_of is not None and node.weights_of != owner:
                kept[place] = replace(node, weights_of=None if owner == node.name else owner)
        self.nodes = kept

    def freeze(self, chosen: Callable[[Node], bool]) -> None:
        """Freezes some layers: batch normalization then uses its present averages."""
        for place, node in enumerate(self.nodes):
            if not chosen(node):
                continue
            if isinstance(node.layer, BatchNorm):
                self.nodes[place] = replace(node, layer=replace(node.layer, frozen=True))
            else:
                self.nodes[place] = replace(node, frozen=True)

    def cost(self) -> Cost:
        """Parameters and multiply-adds of the whole network."""
        costs = ((node, node.layer.cost(*(t.shape for t in node.inputs))) for node in self.nodes)
        counted = (cost if node.weights_of is None else replace(cost, trainable=0) for node, cost in costs)
        return sum(counted, start=Cost())

    def peak_activations(self) -> int:
        """Most numbers that are held at once while one image is computed, layer by layer in the plan's order.

        A layer holds its inputs and its output, unless this takes the place of an input that no later layer reads. An
        output is held until the last layer that reads it, those of the network to the end.
        """
        last = {tensor.node: place for place, node in enumerate(self.nodes) for tensor in node.inputs}
        last |= {tensor.node: len(self.nodes) for tensor in self.outputs.values()}
        held = most = sum(math.prod(tensor.shape) for tensor in self.inputs.values())
        for place, node in enumerate(self.nodes):
            read = {tensor.node: math.prod(tensor.shape) for tensor in node.inputs}
            freed = sum(size for number, size in read.items() if last[number] == place)
            held += math.prod(node.output.shape)
            most = max(most, held - freed if node.layer.IN_PLACE else held)
            held -= freed
        return most

    def activations(self) -> int:
        """Number of output values of all layers for one image."""
        return sum(math.prod(node.output.shape) for node in self.nodes)

    def _owner(self, layer: Layer, inputs: tuple[Tensor, ...], weights_of: Tensor | None) -> str | None:
        if weights_of is None:
            return None
        owner = next(node for node in self.nodes if node.output == weights_of)
        weights, theirs = (
            layer.weights(*(t.shape for t in inputs)),
            owner.layer.weights(*(t.shape for t in owner.inputs)),
        )
        if layer != owner.layer or weights != theirs or not all(weight.trainable for weight in weights):
            raise ValueError(
                f"{layer} can't use the weights of {owner.name}; expected an equal layer without moving statistics"
            )
        return owner.weights_of or owner.name

    def _unique(self, name: str) -> str:
        number = 1
        unique = name
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique
