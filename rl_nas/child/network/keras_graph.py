"""The operations of a functional Keras model, those of nested models among them, called again on another image."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from rl_nas.errors import first_line

_WITH_KERNEL = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.Dense,
    keras.layers.EinsumDense,
)


class Call(NamedTuple):
    """One call of an operation.

    Attributes:
        original: the operation in the model.
        operation: its copy.
        inputs: tensors.
        outputs: tensors.
    """

    original: Any
    operation: Any
    inputs: list[Any]
    outputs: list[Any]

    @property
    def madds(self) -> int:
        """Multiply-adds of a convolution or a dense layer for one image; other operations are free."""
        layer = self.operation
        if isinstance(layer, keras.layers.SeparableConv2D):
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
            return _positions(self.outputs[0]) * sum(_elements(kernel.shape) for kernel in kernels)
        if not isinstance(layer, _WITH_KERNEL):
            return 0
        if isinstance(layer, keras.layers.EinsumDense):
            terms, result = layer.equation.split("->")
            pairs = zip(terms.split(",")[1], layer.kernel.shape, strict=True)
            shared = _elements([size for letter, size in pairs if letter in result])
            return _elements(layer.kernel.shape) * (_elements(self.outputs[0].shape[1:]) // shared)
        read = isinstance(layer, keras.layers.Conv2DTranspose)
        return _elements(layer.kernel.shape) * _positions((self.inputs if read else self.outputs)[0])


class Replay:
    """A functional model on another image.

    Every layer is copied, with `prefix` and the names of the models that it is in before its own name, in the present
    precision, and with initial weights. What follows the last feature map, such as a classifier, is left out; so is
    what cannot read an image of this size.

    Attributes:
        calls: in order of computation.
        outputs: the model's, without those that were left out.
        image: the image behind the first layers that only normalize pixels.
        normalizing: the originals of these layers.
        failure: the first line of why something could not be computed; empty if everything could.
    """

    def __init__(
        self, model: keras.Model, image: Any, *, prefix: str, seed: int = 0, normalizing: Sequence[Any] | None = None
    ) -> None:
        """Calls the copies.

        Args:
            model: of one input.
            image: symbolic tensor [batch, height, width, channels].
            prefix: of the layers' names.
            seed: dropout and the like are functions of it and of the layer's position.
            normalizing: layers to be left out; None: they are found, and `image` is then a new input behind them.
        """
        self.image, self.calls, self.failure = image, list[Call](), ""
        self.normalizing = list(normalizing or ())
        self._seed, self._find, self._prefix, self._copies = seed, normalizing is None, prefix, dict[int, Any]()
        outputs = self._run(model, [image], "", whole=False)
        self.outputs = [tensor for tensor in outputs if tensor is not None]

    def leading_to(self, tensors: Sequence[Any]) -> list[Call]:
        """The calls that tensors depend on."""
        wanted, found = {id(tensor) for tensor in tensors}, []
        for call in reversed(self.calls):
            if wanted & {id(tensor) for tensor in call.outputs}:
                wanted |= {id(tensor) for tensor in call.inputs}
                found.append(call)
        return found[::-1]

    def _run(self, model: keras.Model, inputs: Sequence[Any], scope: str, *, whole: bool) -> list[Any]:
        graph = functional(model)
        values = {id(own): value for own, value in zip(graph.inputs, inputs, strict=True)}
        for node, needed in _leading_to_maps(graph, whole=whole):
            if all(id(tensor) in values for tensor in node.input_tensors):
                outputs = self._call(node, values, scope, whole=needed)
                values |= {id(own): v for own, v in zip(node.outputs, outputs, strict=True) if v is not None}
        return [values.get(id(tensor)) for tensor in graph.outputs]

    def _call(self, node: Any, values: dict[int, Any], scope: str, *, whole: bool) -> list[Any]:
        operation, inputs = node.operation, [values[id(tensor)] for tensor in node.input_tensors]
        if functional(operation) is not None:
            return self._run(operation, inputs, f"{scope}{operation.name}.", whole=whole)
        if self._normalizes(operation, inputs):
            return [self.image]
        args, kwargs = node.arguments.fill_in(values)
        try:
            copy = self._copy(operation, scope)
            outputs: list[Any] = keras.tree.flatten(copy(*args, **kwargs))
        except Exception as error:  # whatever a layer that was made for another size raises
            self.failure = self.failure or f"{operation.name}: {first_line(error)}"
            return [None] * len(node.outputs)
        self.calls.append(Call(operation, copy, inputs, outputs))
        return outputs

    def _normalizes(self, operation: Any, inputs: Sequence[Any]) -> bool:
        if not self._find:
            return operation in self.normalizing
        first = isinstance(operation, keras.layers.Rescaling | keras.layers.Normalization)
        if not first or inputs[0] is not self.image:
            return False
        self.normalizing.append(operation)
        self.image = keras.Input(self.image.shape[1:])
        return True

    def _copy(self, operation: Any, scope: str) -> Any:
        if id(operation) not in self._copies:
            config = {**operation.get_config(), "name": f"{self._prefix}{scope}{operation.name}"}
            if isinstance(operation, keras.layers.Layer):
                config |= {"trainable": True, "dtype": keras.config.dtype_policy().name}
            if "seed" in config:
                config["seed"] = int(np.random.SeedSequence([self._seed, len(self._copies)]).generate_state(1)[0])
            self._copies[id(operation)] = type(operation).from_config(config)
        return self._copies[id(operation)]


def functional(model: Any) -> Any:
    """The graph of a functional or a built sequential model; None for anything else."""
    graph = getattr(model, "_functional", model) if isinstance(model, keras.Sequential) else model
    return graph if isinstance(graph, keras.Model) and hasattr(graph, "_nodes_by_depth") else None


def _leading_to_maps(graph: Any, *, whole: bool) -> list[tuple[Any, bool]]:
    """Nodes that feature maps depend on, in order; and whether their own outputs are needed, or only what is inside."""
    nodes = [node for depth in sorted(graph._nodes_by_depth, reverse=True) for node in graph._nodes_by_depth[depth]]
    wanted = {id(tensor) for tensor in graph.outputs} if whole else set[int]()
    found = []
    for node in reversed([node for node in nodes if not node.is_input]):
        needed = any(len(tensor.shape) == 4 or id(tensor) in wanted for tensor in node.outputs)
        if needed or functional(node.operation) is not None:
            wanted |= {id(tensor) for tensor in node.input_tensors}
            found.append((node, needed))
    return found[::-1]


def _positions(tensor: Any) -> int:
    return _elements(tensor.shape[1:-1])


def _elements(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
