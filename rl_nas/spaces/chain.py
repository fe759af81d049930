"""Chains of convolutions with skip connections (Zoph and Le 2017): genotype and space."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.canonical import Link, canonical_order
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.documents import item, items

SIZES: tuple[Choice, ...] = (1, 3, 5, 7)
FILTERS: tuple[Choice, ...] = (24, 36, 48, 64)
STRIDES: tuple[Choice, ...] = (1, 2, 3)


@dataclass(frozen=True)
class ChainLayer:
    """A convolution, its normalisation and a ReLU.

    Attributes:
        kernel: height and width of the filters.
        filters: how many.
        strides: vertical and horizontal.
        inputs: the states whose concatenation it reads; 0 is the image, n the output of layer n (from 1).
    """

    kernel: tuple[int, int]
    filters: int
    strides: tuple[int, int]
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class ChainGenotype:
    """Layers in order, and the states that are concatenated before the classifier."""

    KIND: ClassVar[str] = "chain"

    layers: tuple[ChainLayer, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise UsageError("a chain has no layers; expected at least one")
        for number, layer in enumerate(self.layers, start=1):
            if min(*layer.kernel, layer.filters, *layer.strides) < 1:
                raise UsageError(f"layer {number}: kernel, filters and strides are whole numbers >= 1")
            _check_states(layer.inputs, number - 1, f"layer {number} reads")
        _check_states(self.outputs, len(self.layers), "outputs name")

    def canonical(self) -> Self:
        """The same network without dead layers, in an order that does not depend on how it was written."""
        live = set(self.outputs)
        for number in range(len(self.layers), 0, -1):
            if number in live:
                live |= set(self.layers[number - 1].inputs)
        states = [0, *(state for state in sorted(live) if state > 0)]
        number_of = {state: index for index, state in enumerate(states)}
        kept = [self.layers[state - 1] for state in states[1:]]
        labels = [
            f"{x.kernel} {x.filters} {x.strides} {s in self.outputs}" for s, x in zip(states[1:], kept, strict=True)
        ]
        links = [Link(number_of[s], n, "") for n, layer in enumerate(kept, start=1) for s in layer.inputs]
        order = canonical_order(["image", *labels], links)
        place = {states[index]: rank for rank, index in enumerate(order)}
        layers = [kept[index - 1] for index in order if index > 0]
        return type(self)(
            tuple(
                ChainLayer(x.kernel, x.filters, x.strides, tuple(sorted(place[s] for s in x.inputs))) for x in layers
            ),
            tuple(sorted(place[state] for state in self.outputs)),
        )

    def canonical_key(self) -> str:
        """A hash of the canonical form."""
        return hashlib.sha256(json.dumps(self.canonical().document()).encode()).hexdigest()[:32]

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        layers = [
            {"kernel": list(x.kernel), "filters": x.filters, "strides": list(x.strides), "inputs": list(x.inputs)}
            for x in self.layers
        ]
        return {"layers": layers, "outputs": list(self.outputs)}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError`, saying where, for what is malformed."""
        layers = items(item(document, "layers", "genotype"), dict, "layers")
        return cls(
            tuple(_read_layer(layer, f"layers[{i}]") for i, layer in enumerate(layers)),
            items(item(document, "outputs", "genotype"), int, "outputs"),
        )


def nas_rl(layers: int = 15, strides: bool = False, skips: bool = True) -> SearchSpace[ChainGenotype]:
    """The space of Zoph and Le 2017, section 3: per layer the filters' height, width and number.

    A layer that selects no earlier layer reads the image; layers that no other reads are concatenated
    before the classifier (section 3.3).

    Args:
        layers: of the network.
        strides: decide the strides too, vertical and horizontal, in 1, 2, 3; otherwise all are 1.
        skips: decide for each pair of layers whether the later reads the earlier (the paper's anchor
            points); otherwise each layer reads the one before it.
    """
    if layers < 1:
        raise UsageError(f"{layers} layers; expected at least 1")
    decisions: list[Decision] = []
    for n in range(1, layers + 1):
        parts = [("height", SIZES), ("width", SIZES)]
        parts += [("stride_height", STRIDES), ("stride_width", STRIDES)] if strides else []
        decisions += [Decision(f"{n}/{part}", choices) for part, choices in (*parts, ("filters", FILTERS))]
        decisions += [Decision(f"{n}/from/{m}", (0, 1)) for m in range(1, n)] if skips else []

    def decode(values: dict[str, Choice]) -> ChainGenotype:
        decoded: list[ChainLayer] = []
        for n in range(1, layers + 1):
            kernel = (int(values[f"{n}/height"]), int(values[f"{n}/width"]))
            steps = (int(values.get(f"{n}/stride_height", 1)), int(values.get(f"{n}/stride_width", 1)))
            selected = tuple(m for m in range(1, n) if values.get(f"{n}/from/{m}", int(m == n - 1)))
            decoded.append(ChainLayer(kernel, int(values[f"{n}/filters"]), steps, selected or (0,)))
        return ChainGenotype(tuple(decoded), unread_layers(decoded))

    def encode(genotype: ChainGenotype) -> dict[str, Choice]:
        if len(genotype.layers) != layers or genotype.outputs != unread_layers(genotype.layers):
            raise UsageError(
                f"chain of {len(genotype.layers)} layers with outputs {list(genotype.outputs)}; expected {layers}"
                " layers, of which those that no other reads are the outputs"
            )
        values: dict[str, Choice] = {}
        for n, layer in enumerate(genotype.layers, start=1):
            values |= {f"{n}/height": layer.kernel[0], f"{n}/width": layer.kernel[1], f"{n}/filters": layer.filters}
            values |= {f"{n}/stride_height": layer.strides[0], f"{n}/stride_width": layer.strides[1]}
            values |= {f"{n}/from/{m}": int(m in layer.inputs) for m in range(1, n)}
        if decode(values) != genotype:
            raise UsageError("chain with inputs or strides that this space does not offer")
        return values

    return SearchSpace("nas_rl", tuple(decisions), decode, encode)


def unread_layers(layers: Sequence[ChainLayer]) -> tuple[int, ...]:
    """The layers (from 1) that no other reads."""
    read = {state for layer in layers for state in layer.inputs}
    return tuple(n for n in range(1, len(layers) + 1) if n not in read)


def _check_states(states: tuple[int, ...], last: int, what: str) -> None:
    if not states:
        raise UsageError(f"{what} no state; expected at least one")
    for state in states:
        if not 0 <= state <= last:
            raise UsageError(f"{what} state {state}; expected 0 to {last} (the image and earlier layers)")
    if len(set(states)) != len(states):
        raise UsageError(f"{what} a state twice: {list(states)}")


def _read_layer(layer: Mapping[str, object], where: str) -> ChainLayer:
    kernel, strides = (
        items(item(layer, part, where), int, f"{where}.{part}", count=2) for part in ("kernel", "strides")
    )
    (filters,) = items([item(layer, "filters", where)], int, f"{where}.filters")
    inputs = items(item(layer, "inputs", where), int, f"{where}.inputs")
    return ChainLayer((kernel[0], kernel[1]), filters, (strides[0], strides[1]), inputs)
