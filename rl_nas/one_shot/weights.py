"""Weights that the networks of a space have in common (Pham et al. 2018, ENAS, section 2.4).

A kernel behind a concatenation is put together from a part for each of the states that are concatenated, as ENAS
puts together the convolution at a cell's end: which states these are differs from network to network.
"""

import zlib
from typing import NamedTuple

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.child.network.parameters import INITIAL
from rl_nas.networks.layers import Concat, Weight
from rl_nas.networks.plan import Plan

WEIGHTS = "weights"


class _Part(NamedTuple):
    """Channels of a tensor that one layer made.

    Attributes:
        source: key of that layer.
        channels: how many.
    """

    source: str
    channels: int


class OneShotWeights:
    """All weights of all networks that were met, and what an optimizer keeps of each.

    Weights that are new start from values that are a function of the seed and of their key alone, so that it does not
    matter in which order networks are met.

    Attributes:
        seed: of the first values.
        vectors: name -> float32 [all weights]: `weights`, and what `slot` was asked for.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._starts: dict[str, int] = {}
        self._size = 0
        self._storage = {WEIGHTS: np.zeros(0, np.float32)}

    @property
    def vectors(self) -> dict[str, np.ndarray]:
        """Views of the storage, which has room for more."""
        return {name: storage[: self._size] for name, storage in self._storage.items()}

    def slot(self, name: str) -> np.ndarray:
        """The vector of that name, zeros at first."""
        self._storage.setdefault(name, np.zeros_like(self._storage[WEIGHTS]))
        return self.vectors[name]

    def places(self, plan: Plan) -> np.ndarray:
        """Where the trainable weights of a network stand, int64 [its trainable parameters]; makes those that are new.

        Their order is that of `PlannedModel.trainable`.
        """
        parts = _parts(plan)
        found = [
            self._placed(f"{node.key}/{weight.name}", weight, parts[node.inputs[0].node])
            for node in plan.nodes
            if node.weights_of is None
            for weight in node.layer.weights(*(tensor.shape for tensor in node.inputs))
            if weight.trainable
        ]
        return np.concatenate(found)

    def state(self) -> State:
        """All weights and slots."""
        return {"starts": self._starts, "vectors": self.vectors}

    def restore(self, state: State) -> None:
        """Restores the state."""
        self._starts, self._storage = dict(state["starts"]), dict(state["vectors"])
        self._size = len(self._storage[WEIGHTS])

    def _placed(self, name: str, weight: Weight, parts: tuple[_Part, ...]) -> np.ndarray:
        if weight.input_axis is None:
            return self._entry(name, weight, weight.shape).ravel()
        entries = []
        for part in parts:
            shape = list(weight.shape)
            shape[weight.input_axis] = part.channels
            entries.append(self._entry(f"{name} of {part.source}", weight, tuple(shape)))
        return np.concatenate(entries, axis=weight.input_axis).ravel()

    def _entry(self, name: str, weight: Weight, shape: tuple[int, ...]) -> np.ndarray:
        """Where weights of that name and shape stand, in that shape."""
        key, size = f"{name} {shape}", int(np.prod(shape))
        if key not in self._starts:
            self._starts[key], self._size = self._size, self._size + size
            self._make_room()
            seed = int(np.random.SeedSequence([self.seed, zlib.crc32(key.encode())]).generate_state(1)[0])
            start = self._starts[key]
            self._storage[WEIGHTS][start : start + size] = INITIAL[weight.initial](shape, seed).ravel()
        return np.arange(self._starts[key], self._starts[key] + size).reshape(shape)

    def _make_room(self) -> None:
        for name, storage in self._storage.items():
            if len(storage) < self._size:
                self._storage[name] = np.concatenate([storage, np.zeros(self._size, np.float32)])


def _parts(plan: Plan) -> dict[int, tuple[_Part, ...]]:
    """The layers that made the channels of every tensor."""
    parts: dict[int, tuple[_Part, ...]] = {
        tensor.node: (_Part(name, tensor.channels),) for name, tensor in plan.inputs.items()
    }
    keys = {node.output.node: node.key for node in plan.nodes}
    for node in plan.nodes:
        if isinstance(node.layer, Concat) and node.layer.chosen:
            made = tuple(_Part(keys[tensor.node], tensor.channels) for tensor in node.inputs)
        elif node.layer.KEEPS_CHANNELS:
            made = parts[node.inputs[0].node]
        else:
            made = (_Part(node.key, node.output.channels),)
        parts[node.output.node] = made
    return parts
