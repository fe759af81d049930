"""Genotypes of chains: convolutions with skip connections (Zoph and Le 2017)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.canonical import Link, canonical_order
from rl_nas.spaces.graph import OperationGraph, pruned
from rl_nas.spaces.json_fields import item, items

MAX_LAYERS, MAX_KERNEL, MAX_FILTERS = 200, 1000, 100_000
"""Most layers of a chain, and pixels of a kernel or a stride and filters of a layer."""


@dataclass(frozen=True)
class ChainLayer:
    """A convolution, its normalization and a ReLU.

    Attributes:
        kernel: height and width of the filters.
        filters: number of filters.
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
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise UsageError(f"a chain has {len(self.layers) or 'no'} layers; expected 1 to {MAX_LAYERS}")
        for number, layer in enumerate(self.layers, start=1):
            _check_sizes(layer, number)
            _check_states(layer.inputs, number - 1, f"layer {number} reads")
        _check_states(self.outputs, len(self.layers), "outputs name")

    def canonical(self) -> Self:
        """The same network without dead layers, in a canonical order."""
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

    def graph(self) -> OperationGraph:
        """See `Graphed`."""
        labels = [f"{layer.kernel} {layer.filters} {layer.strides}" for layer in self.layers]
        reads = [(), *(layer.inputs for layer in self.layers), self.outputs]
        return pruned(["image", *labels, "output"], reads, inputs=1)

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        layers = [
            {"kernel": list(x.kernel), "filters": x.filters, "strides": list(x.strides), "inputs": list(x.inputs)}
            for x in self.layers
        ]
        return {"layers": layers, "outputs": list(self.outputs)}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError` with the place of what is malformed."""
        layers = items(item(document, "layers", "genotype"), dict, "layers")
        return cls(
            tuple(_read_layer(layer, f"layers[{i}]") for i, layer in enumerate(layers)),
            items(item(document, "outputs", "genotype"), int, "outputs"),
        )


def unread_layers(layers: Sequence[ChainLayer]) -> tuple[int, ...]:
    """The layers (from 1) that no other layer reads."""
    read = {state for layer in layers for state in layer.inputs}
    return tuple(n for n in range(1, len(layers) + 1) if n not in read)


def _check_sizes(layer: ChainLayer, number: int) -> None:
    if min(*layer.kernel, layer.filters, *layer.strides) < 1:
        raise UsageError(f"layer {number}: kernel, filters and strides are whole numbers >= 1")
    if max(*layer.kernel, *layer.strides) > MAX_KERNEL or layer.filters > MAX_FILTERS:
        raise UsageError(
            f"layer {number}: kernel and strides of at most {MAX_KERNEL} pixels and at most {MAX_FILTERS} filters are"
            " expected"
        )


def _check_states(states: tuple[int, ...], last: int, what: str) -> None:
    if not states:
        raise UsageError(f"{what} no state; expected at least one")
    for state in states:
        if not 0 <= state <= last:
            raise UsageError(f"{what} state {state}; expected 0 to {last} (the image and earlier layers)")
    if len(set(states)) != len(states):
        raise UsageError(f"{what} a state twice: {str(list(states))[:60]}")


def _read_layer(layer: Mapping[str, object], where: str) -> ChainLayer:
    kernel, strides = (
        items(item(layer, part, where), int, f"{where}.{part}", count=2) for part in ("kernel", "strides")
    )
    (filters,) = items([item(layer, "filters", where)], int, f"{where}.filters")
    inputs = items(item(layer, "inputs", where), int, f"{where}.inputs")
    return ChainLayer((kernel[0], kernel[1]), filters, (strides[0], strides[1]), inputs)
