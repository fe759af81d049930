"""A planned network that is trained without a Keras model, by its operations alone."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.network.flat_weights import FlatModel, Outputs, Pullback, replica_shift
from rl_nas.child.network.kinds.catalog import KINDS
from rl_nas.child.network.kinds.kind import LayerKind
from rl_nas.child.network.layer_call import LayerCall, LayerPullback, Moved
from rl_nas.child.network.parameters import Parameter, initial_parameters, node_seeds, zeros
from rl_nas.networks.layer import Layer
from rl_nas.networks.plan import Node, Plan


class PlannedModel(FlatModel):
    """The network of a plan: `build_model` and `FlatKerasModel` in one, in a tenth of the time.

    It computes the same as the Keras model up to rounding, and draws the same random numbers. It is traced in a
    tf.function or runs eagerly, where an architecture is an input like the images.

    Attributes:
        plan: the network.
    """

    def __init__(
        self, plan: Plan, *, seed: int = 0, weights: np.ndarray | None = None, precision: str = "float32"
    ) -> None:
        """Makes the initial weights.

        Args:
            plan: the network.
            seed: initial weights, dropout and drop path are functions of it and of the layer's position.
            weights: float [trainable parameters], to start from instead.
            precision: `bfloat16` or `float16`: layers that are faster for it compute in that; weights, normalization
                statistics and outputs are float32.
        """
        self.plan, self._seeds, self._precision = plan, node_seeds(plan, seed), tf.as_dtype(precision)
        parameters = [initial_parameters(*pair) for pair in zip(plan.nodes, self._seeds, strict=True)]
        self._counts = [(len(own.trainable), len(own.other)) for own in parameters]
        steps = [Parameter("step", (), zeros, dtype="int64")] if any(node.layer.RANDOM for node in plan.nodes) else []
        super().__init__(
            [parameter for own in parameters for parameter in own.trainable],
            [parameter for own in parameters for parameter in own.other],
            steps,
            weights,
        )

    @property
    @override
    def output_shapes(self) -> list[tuple[int, ...]]:
        return [tensor.shape for tensor in self.plan.outputs.values()]

    @override
    def call(self, weights: tf.Tensor, other: tf.Tensor, images: Any, *, of_batch: bool = False) -> Outputs:
        """See `FlatModel.call`; with `of_batch`, normalizes by the statistics of these images."""
        values = self._inputs(images)
        readers = Counter(tensor.node for node in self.plan.nodes for tensor in node.inputs)
        readers.update(tensor.node for tensor in self.plan.outputs.values())
        for run in self._runs(weights, other, training=False, of_batch=of_batch):
            values[run.node.output.node], _ = run(values)
            for tensor in run.node.inputs:
                readers[tensor.node] -= 1
                if not readers[tensor.node]:
                    values.pop(tensor.node, None)  # outside of a graph nothing else would free it
        return self._outputs(values)

    @override
    def train_call(self, weights: tf.Tensor, images: Any) -> tuple[Outputs, Pullback, tf.Tensor]:
        values, pullbacks, moved = self._forward(weights, images)
        for counter in self.counters:
            counter.vector.assign_add([1])

        def pull(gradients: Outputs) -> tf.Tensor:
            ends = {self.plan.outputs[name].node: gradient for name, gradient in gradients.items()}
            by_node = {node: [tf.cast(gradient, values[node].dtype)] for node, gradient in ends.items()}
            return self.trainable.join(_pull_back(pullbacks, by_node))

        return self._outputs(values), pull, self._moved(moved)

    def activations(self, images: Any, kind: type[Layer]) -> list[tf.Tensor]:
        """The outputs of all layers of a kind in training mode; counters stay.

        Args:
            images: float [batch, height, width, channels].
            kind: of layer.
        """
        values, _, _ = self._forward(self.trainable.vector.value, images)
        return [values[node.output.node] for node in self.plan.nodes if isinstance(node.layer, kind)]

    def _forward(
        self, weights: tf.Tensor, images: Any
    ) -> tuple[dict[int, tf.Tensor], list[tuple["_Run", LayerPullback]], list[Moved]]:
        """Outputs by node, pullbacks in order, and updates of the moving statistics, in training mode."""
        values = self._inputs(images)
        moved: list[Moved] = []
        pullbacks = []
        for run in self._runs(weights, self.other.vector.value, training=True, of_batch=True, moved=moved):
            values[run.node.output.node], pullback = run(values)
            pullbacks.append((run, pullback))
        return values, pullbacks, moved

    def _runs(
        self,
        weights: tf.Tensor,
        other: tf.Tensor,
        *,
        training: bool,
        of_batch: bool,
        moved: list[Moved] | None = None,
    ) -> Iterator["_Run"]:
        """Yields the computation of every layer, in order."""
        trained = iter([part for _, part in self.trainable.mapping(weights)])
        others = iter([part for _, part in self.other.mapping(other)])
        weights_of: dict[str, list[tf.Tensor]] = {}
        step = self.counters[0].vector.value[0] if self.counters else None
        constant = cache(lambda value: tf.constant(value, tf.int32))
        for node, node_seed, (own, moves) in zip(self.plan.nodes, self._seeds, self._counts, strict=True):
            moving = [next(others) for _ in range(moves)]
            if node.weights_of is None:
                weights_of[node.name] = moving if node.frozen else [next(trained) for _ in range(own)]
            if node.frozen and moved is not None:
                moved.extend(Moved(1.0, 0.0, weight) for weight in moving)
            call = LayerCall(
                node.layer,
                weights=weights_of[node.weights_of or node.name],
                moving=moving,
                moved=[] if moved is None else moved,
                training=training,
                of_batch=of_batch,
                seed=_seed_of_step(node_seed, step) if training and node.layer.RANDOM else None,
                step=step,
                constant=constant,
            )
            yield _Run(node, call, self._precision)

    def _moved(self, moved: list[Moved]) -> tf.Tensor:
        """The new moving statistics, all at once: a graph would have a thousand operations for them otherwise."""
        decay, rest = (
            np.concatenate([np.zeros(0), *(np.full(math.prod(m.value.shape), getattr(m, name)) for m in moved)])
            for name in ("decay", "rest")
        )
        values = self.other.join([m.value for m in moved])
        return tf.constant(decay, tf.float32) * self.other.vector.value + tf.constant(rest, tf.float32) * values

    def _inputs(self, images: Any) -> dict[int, tf.Tensor]:
        """The inputs by node."""
        named = images if isinstance(images, dict) else {"image": images}
        return {tensor.node: named[name] for name, tensor in self.plan.inputs.items()}

    def _outputs(self, values: dict[int, tf.Tensor]) -> Outputs:
        return {name: tf.cast(values[tensor.node], tf.float32) for name, tensor in self.plan.outputs.items()}


class _Run(NamedTuple):
    """One layer with its arguments, and the type of numbers that layers compute in where it is faster."""

    node: Node
    call: LayerCall
    precision: tf.DType

    def __call__(self, values: dict[int, tf.Tensor]) -> tuple[tf.Tensor, LayerPullback]:
        kind, inputs = KINDS[type(self.node.layer)], [values[tensor.node] for tensor in self.node.inputs]
        if self.precision == tf.float32:
            return kind.compute(self.call, *inputs)
        return self._in_sixteen_bits(kind, inputs)

    def _in_sixteen_bits(self, kind: LayerKind, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, LayerPullback]:
        """Casts inputs and weights to what the layer computes in, and gradients back."""
        narrow = self.precision if kind.narrow else tf.float32
        weights = [tf.cast(weight, narrow if kind.narrow_weights else tf.float32) for weight in self.call.weights]
        output, pullback = kind.compute(
            self.call._replace(weights=weights), *(tf.cast(x, narrow) if x.shape.rank else x for x in inputs)
        )

        def pull(gradient: tf.Tensor) -> tuple[list[tf.Tensor | None], list[tf.Tensor]]:
            to_inputs, to_weights = pullback(tf.cast(gradient, output.dtype))
            cast = [g if g is None else tf.cast(g, x.dtype) for g, x in zip(to_inputs, inputs, strict=True)]
            return cast, [tf.cast(g, tf.float32) for g in to_weights]

        return output, pull


def _pull_back(pullbacks: list[tuple[_Run, LayerPullback]], gradients: dict[int, list[tf.Tensor]]) -> list[tf.Tensor]:
    """Backpropagation: from the gradients of the outputs, by node, to those of all trainable weights, in order."""
    of_weights: dict[str, list[Sequence[tf.Tensor]]] = {}  # by the layer's name, from every use
    trained = _trained(run for run, _ in pullbacks)
    for run, pullback in reversed(pullbacks):
        if run.node.output.node not in trained:
            continue
        owner = run.node.weights_of or run.node.name
        arrived = gradients.pop(run.node.output.node, [])
        if not arrived:
            of_weights.setdefault(owner, []).append([*map(tf.zeros_like, run.call.weights)])
            continue
        to_inputs, to_weights = pullback(arrived[0] if len(arrived) == 1 else tf.add_n(arrived))
        of_weights.setdefault(owner, []).append(to_weights)
        for tensor, gradient in zip(run.node.inputs, to_inputs, strict=True):
            if gradient is not None:
                gradients.setdefault(tensor.node, []).append(gradient)
    owners = [run.node.name for run, _ in pullbacks if run.node.name in of_weights and not run.node.frozen]
    return [_total(parts) for owner in owners for parts in zip(*of_weights[owner], strict=True)]


def _trained(runs: Iterable[_Run]) -> set[int]:
    """The layers whose outputs depend on a trained weight, by the numbers of these outputs."""
    found = set[int]()
    for node, call, _ in runs:
        own = call.weights and not node.frozen
        if own or any(tensor.node in found for tensor in node.inputs):
            found.add(node.output.node)
    return found


def _total(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    return parts[0] if len(parts) == 1 else tf.add_n(parts)


def _seed_of_step(seed: int, step: tf.Tensor) -> tf.Tensor:
    """Value of Keras' random generator of a seed at a train step, int32 [2]."""
    state = tf.stack([tf.constant(seed, tf.int64), step])
    shift = replica_shift()
    if shift is not None:
        state += tf.cast(shift, tf.int64)
    return tf.cast(tf.math.floormod(state, tf.int32.max - 1), tf.int32)
