"""Builds the Keras model of a planned network."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from rl_nas.child.network.kinds.catalog import KINDS
from rl_nas.child.network.kinds.kind import Site
from rl_nas.child.network.parameters import initial_parameters, node_seeds
from rl_nas.networks.plan import Plan


def build_model(plan: Plan, *, seed: int = 0, l2: float = 0.0, name: str = "child") -> keras.Model:
    """Builds a functional model of stock Keras layers and the two of `rl_nas.child.network.keras_layers`.

    Weights start as in the released code of Zoph et al. 2018: variance scaling by fan-out, factor 2.

    Args:
        plan: the network.
        seed: the initial weights, the dropout and the drop path are functions of it and of the layer's position.
        l2: weight of half the squared kernels in the model's losses; for `fit` and similar loops.
        name: name of the model.

    Returns:
        A model from float images [batch, height, width, channels], or a dict of the plan's inputs if there are several,
        to a dict of its outputs.
    """
    inputs = {name: keras.Input(tensor.shape, name=name) for name, tensor in plan.inputs.items()}
    outputs = planned_outputs(plan, inputs, seed=seed, l2=l2)
    model = keras.Model(inputs["image"] if list(inputs) == ["image"] else inputs, outputs, name=name)
    initialize(model, plan, seed)
    return model


def planned_outputs(plan: Plan, inputs: Mapping[str, Any], *, seed: int = 0, l2: float = 0.0) -> dict[str, Any]:
    """Builds the layers of a plan behind symbolic tensors.

    Args:
        plan: of a network, or of a part of one.
        inputs: the plan's, by name.
        seed: as in `build_model`.
        l2: as in `build_model`.

    Returns:
        The plan's outputs by name. `initialize` gives the layers their initial weights.
    """
    values: dict[int, Any] = {tensor.node: inputs[name] for name, tensor in plan.inputs.items()}
    built: dict[str, Callable[..., Any]] = {}
    for node, node_seed in zip(plan.nodes, node_seeds(plan, seed), strict=True):
        owner = node.weights_of or node.name
        if owner not in built:
            built[owner] = KINDS[type(node.layer)].keras(node.layer, Site(node, node_seed, l2))
        values[node.output.node] = built[owner](*(values[tensor.node] for tensor in node.inputs))
    return {name: values[tensor.node] for name, tensor in plan.outputs.items()}


def initialize(model: keras.Model, plan: Plan, seed: int) -> None:
    """Gives the planned layers of a model their initial weights, and freezes those that are frozen."""
    variables = {variable.path: variable for variable in model.weights}
    for node, node_seed in zip(plan.nodes, node_seeds(plan, seed), strict=True):
        own = initial_parameters(node, node_seed)
        for parameter in own.trainable or own.other:  # moving statistics start as Keras' do
            variables[parameter.path].assign(parameter.numpy())
    frozen = {node.name for node in plan.nodes if node.frozen}
    for layer in model.layers:
        if layer.name in frozen:
            layer.trainable = False
