"""Conversion of a traced function to ONNX that ends for every graph."""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf
from tf2onnx import convert, optimizer, tf_loader, tfonnx

OPSET = 17
ROUNDS = 8
"""Rounds of tf2onnx's optimizers at most: its transpositions of some graphs never settle."""


class Settling:
    """An optimizer of tf2onnx that asks for no round after the last one; what the network computes, each round keeps.

    Args:
        factory: of the optimizer.

    Attributes:
        graph_been_opt: whether tf2onnx should begin another round.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._wrapped = factory()
        self.graph_been_opt = False

    def optimize(self, graph: Any, iteration: int) -> Any:
        """Optimizes a graph in a round, from 0."""
        graph = self._wrapped.optimize(graph, iteration)
        self.graph_been_opt = self._wrapped.graph_been_opt and iteration + 1 < ROUNDS
        return graph


def converted(function: Any) -> bytes:
    """Makes an ONNX model of a function of one tensor, whose outputs have names.

    `tf2onnx.convert.from_function` does the same but takes no optimizers, and those it uses may never end.

    Args:
        function: a concrete function of TensorFlow that returns a mapping.

    Returns:
        The serialized model, with the names of the function's input and outputs.
    """
    inputs = [tensor.name for tensor in function.inputs if tensor.dtype != tf.resource]
    outputs = [tensor.name for tensor in function.outputs]
    with tf.device("/cpu:0"):
        frozen = tf_loader.from_function(function, inputs, outputs)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(frozen, name="")
            names = convert.tensor_names_from_structed(function, inputs, outputs)
            onnx = tfonnx.process_tf_graph(
                graph,
                continue_on_error=True,
                opset=OPSET,
                input_names=inputs,
                output_names=outputs,
                tensors_to_rename=names,
            )
    optimizers = {name: partial(Settling, factory) for name, factory in optimizer._get_optimizers().items()}
    optimized = optimizer.optimize_graph(onnx, optimizers=optimizers)
    return bytes(optimized.make_model("converted from rl_nas").SerializeToString())
