"""A planned network that is trained without a Keras model: nothing is made but its operations."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from typing_extensions import override

from rl_nas.child.network.flat_weights import FlatModel, replica_shift
from rl_nas.child.network.flat_weights import Pullback as PullbackToWeights
from rl_nas.child.network.layer_call import Call, Moved, Pullback
from rl_nas.child.network.layer_functions import FUNCTIONS
from rl_nas.child.network.parameters import Parameter, initial_parameters, is_random, node_seeds, zeros
from rl_nas.networks.layers import Layer
from rl_nas.networks.plan import Node, Plan


class PlannedModel(FlatModel):
    """The network of a plan: `build_model` and `FlatKerasModel` in one, in a tenth of the time.

    It computes what the Keras model does, up to the rounding of floats, and draws the same random numbers. It is traced
    in a tf.function, or runs as it is: an architecture is then an input like the images.

    Attributes:
        plan: the network.
    """

    def __init__(self, plan: Plan, *, seed: int = 0, weights: np.ndarray | None = None) -> None:
        """Makes the initial weights.

        Args:
            plan: the network.
            seed: initial weights, dropout and drop path are functions of it and of the layer's position.
            weights: float [trainable parameters], other ones to start from.
        """
        self.plan, self._seeds = plan, node_seeds(plan, seed)
        parameters = [initial_parameters(*pair) for pair in zip(plan.nodes, self._seeds, strict=True)]
        self._counts = [(len(own.trainable), len(own.moving)) for own in parameters]
        steps = [Parameter("step", (), zeros, dtype="int64")] if any(map(is_random, plan.nodes)) else []
        super().__init__(
            [parameter for own in parameters for parameter in own.trainable],
            [parameter for own in parameters for parameter in own.moving],
            steps,
            weights,
        )

    @property
    def weights(self) -> list[Parameter]:
        """Those of its layers, with the paths that they have in the Keras model."""
        return [*self.trainable.specs, *self.other.specs]

    @override
    def call(self, weights: tf.Tensor, other: tf.Tensor, images: tf.Tensor, *, of_batch: bool = False) -> Any:
        """See `FlatModel.call`; with `of_batch`, normalised by the statistics of these images."""
        values = {self.plan.image.node: images}
        readers = Counter(tensor.node for node in self.plan.nodes for tensor in node.inputs)
        readers.update(tensor.node for tensor in self._outputs())
        for run in self._runs(weights, other, training=False, of_batch=of_batch):
            values[run.node.output.node], _ = run(values)
            for tensor in run.node.inputs:
                readers[tensor.node] -= 1
                if not readers[tensor.node]:
                    values.pop(tensor.node, None)  # outside of a graph nobody else would free it
        return self._structured(values)

    @override
    def train_call(self, weights: tf.Tensor, images: tf.Tensor) -> tuple[Any, PullbackToWeights, tf.Tensor]:
        values, pullbacks, moved = self._forward(weights, images)
        for counter in self.counters:
            counter.vector.assign_add([1])

        def pull(gradients: Any) -> tf.Tensor:
            return self.trainable.join(_pull_back(pullbacks, self._by_node(gradients)))

        return self._structured(values), pull, self._moved(moved)

    def activations(self, images: tf.Tensor, kind: type[Layer]) -> list[tf.Tensor]:
        """What all layers of a kind put out in training mode; counters stay.

        Args:
            images: float [batch, height, width, channels].
            kind: of layer.
        """
        values, _, _ = self._forward(self.trainable.vector.value, images)
        return [values[node.output.node] for node in self.plan.nodes if isinstance(node.layer, kind)]

    def _forward(
        self, weights: tf.Tensor, images: tf.Tensor
    ) -> tuple[dict[int, tf.Tensor], list[tuple["_Run", Pullback]], list[Moved]]:
        """Outputs by node, pullbacks in order, and where the moving statistics go; in training mode."""
        values = {self.plan.image.node: images}
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
        """What is to be run for every layer, in order."""
        trainable = iter([part for _, part in self.trainable.mapping(weights)])
        moving = iter([part for _, part in self.other.mapping(other)])
        step = self.counters[0].vector.value[0] if self.counters else None
        constant = cache(lambda value: tf.constant(value, tf.int32))
        for node, node_seed, (own, moves) in zip(self.plan.nodes, self._seeds, self._counts, strict=True):
            call = Call(
                node.layer,
                weights=[next(trainable) for _ in range(own)],
                moving=[next(moving) for _ in range(moves)],
                moved=[] if moved is None else moved,
                training=training,
                of_batch=of_batch,
                seed=_seed_of_step(node_seed, step) if training and is_random(node) else None,
                step=step,
                constant=constant,
            )
            yield _Run(node, call)

    def _moved(self, moved: list[Moved]) -> tf.Tensor:
        """The new moving statistics: all at once, as the graph would have a thousand operations for them otherwise."""
        decay, rest = (
            np.concatenate([np.zeros(0), *(np.full(m.value.shape, getattr(m, name)) for m in moved)])
            for name in ("decay", "rest")
        )
        values = self.other.join([m.value for m in moved])
        return tf.constant(decay, tf.float32) * self.other.vector.value + tf.constant(rest, tf.float32) * values

    def _outputs(self) -> list[Any]:
        return [self.plan.output, *([self.plan.auxiliary] if self.plan.auxiliary else [])]

    def _structured(self, values: dict[int, tf.Tensor]) -> Any:
        logits = values[self.plan.output.node]
        if self.plan.auxiliary is None:
            return logits
        return {"logits": logits, "auxiliary": values[self.plan.auxiliary.node]}

    def _by_node(self, gradients: Any) -> dict[int, list[tf.Tensor]]:
        if self.plan.auxiliary is None:
            return {self.plan.output.node: [gradients]}
        return {
            self.plan.output.node: [gradients["logits"]],
            self.plan.auxiliary.node: [gradients["auxiliary"]],
        }


class _Run(NamedTuple):
    """One layer with what it is called with."""

    node: Node
    call: Call

    def __call__(self, values: dict[int, tf.Tensor]) -> tuple[tf.Tensor, Pullback]:
        inputs = [values[tensor.node] for tensor in self.node.inputs]
        return FUNCTIONS[type(self.node.layer)](self.call, *inputs)


def _pull_back(pullbacks: list[tuple[_Run, Pullback]], gradients: dict[int, list[tf.Tensor]]) -> list[tf.Tensor]:
    """Backpropagation: from the gradients of the outputs, by node, to those of all trainable weights, in order."""
    of_weights: list[tf.Tensor] = []
    for run, pullback in reversed(pullbacks):
        arrived = gradients.pop(run.node.output.node, [])
        if not arrived:
            of_weights = [*map(tf.zeros_like, run.call.weights), *of_weights]
            continue
        to_inputs, to_weights = pullback(arrived[0] if len(arrived) == 1 else tf.add_n(arrived))
        of_weights = [*to_weights, *of_weights]
        for tensor, gradient in zip(run.node.inputs, to_inputs, strict=True):
            if gradient is not None:
                gradients.setdefault(tensor.node, []).append(gradient)
    return of_weights


def _seed_of_step(seed: int, step: tf.Tensor) -> tf.Tensor:
    """What Keras' random generator of that seed gives at its call of that number, as int32 [2]."""
    state = tf.stack([tf.constant(seed, tf.int64), step])
    shift = replica_shift()
    if shift is not None:
        state += tf.cast(shift, tf.int64)
    return tf.cast(tf.math.floormod(state, tf.int32.max - 1), tf.int32)
