"""Weights that the networks of a space share (Pham et al. 2018, ENAS, section 2.4).

A kernel behind a concatenation is put together from a part for each concatenated state, as in the convolution at the
end of ENAS's cells: the states differ from network to network.
"""

import zlib
from typing import NamedTuple

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.child.network.parameters import initial_of
from rl_nas.networks.layer import Weight
from rl_nas.networks.layers import Concat
from rl_nas.networks.plan import Plan

WEIGHTS = "weights"


class _Part(NamedTuple):
    """Channels of a tensor that one layer computes.

    Attributes:
        source: key of that layer.
        channels: how many.
    """

    source: str
    channels: int


class OneShotWeights:
    """All weights of all networks met so far, and their optimizer slots.

    The initial value of a weight is a function of the seed and of its key alone, whatever the order in which networks
    are met.

    Attributes:
        seed: of the initial values.
        vectors: name -> float32 [all weights]: `weights`, and the slots.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._starts: dict[str, int] = {}
        self._size = 0
        self._storage = {WEIGHTS: np.zeros(0, np.float32)}

    @property
    def vectors(self) -> dict[str, np.ndarray]:
        """Views of the used part of the storage."""
        return {name: storage[: self._size] for name, storage in self._storage.items()}

    def slot(self, name: str) -> np.ndarray:
        """The slot of a name, initially zeros."""
        self._storage.setdefault(name, np.zeros_like(self._storage[WEIGHTS]))
        return self.vectors[name]

    def places(self, plan: Plan) -> np.ndarray:
        """Places of a network's trainable weights, int64 [its trainable parameters]; creates missing ones.

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
        """Places of the weights of a name and shape, in that shape."""
        key, size = f"{name} {shape}", int(np.prod(shape))
        if key not in self._starts:
            self._starts[key], self._size = self._size, self._size + size
            self._make_room()
            seed = int(np.random.SeedSequence([self.seed, zlib.crc32(key.encode())]).generate_state(1)[0])
            start = self._starts[key]
            self._storage[WEIGHTS][start : start + size] = initial_of(weight)(shape, seed).ravel()
        return np.arange(self._starts[key], self._starts[key] + size).reshape(shape)

    def _make_room(self) -> None:
        for name, storage in self._storage.items():
            if len(storage) < self._size:
                self._storage[name] = np.concatenate([storage, np.zeros(self._size, np.float32)])


def _parts(plan: Plan) -> dict[int, tuple[_Part, ...]]:
    """The layers that compute the channels of every tensor."""
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
