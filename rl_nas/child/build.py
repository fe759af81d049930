"""Builds the Keras model of a planned network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from rl_nas.networks import layers
from rl_nas.networks.plan import Node, Plan


def build_model(plan: Plan, *, seed: int = 0, name: str = "child") -> keras.Model:
    """Builds a functional model of stock Keras layers.

    Weights start as in the released code of Zoph et al. 2018: variance scaling by fan-out, factor 2.

    Args:
        plan: the network.
        seed: the initial weights and the dropout are a function of it and of the layer's position.
        name: name of the model.

    Returns:
        A model from float images [batch, height, width, channels] to logits [batch, classes].
    """
    image = keras.Input(plan.image.shape, name="image")
    outputs = {plan.image.node: image}
    seeds = np.random.SeedSequence(seed).generate_state(len(plan.nodes))
    for node, node_seed in zip(plan.nodes, seeds, strict=True):
        inputs = [outputs[tensor.node] for tensor in node.inputs]
        outputs[node.output.node] = _BUILDERS[type(node.layer)](node, inputs, int(node_seed))
    return keras.Model(image, outputs[plan.output.node], name=name)


def _initializer(seed: int) -> keras.Initializer:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal", seed=seed)


def _conv(node: Node, inputs: list[Any], seed: int) -> Any:
    spec = node.layer
    assert isinstance(spec, layers.Conv)
    return keras.layers.Conv2D(
        spec.filters,
        spec.kernel,
        strides=spec.strides,
        padding=spec.padding,
        dilation_rate=spec.dilation,
        use_bias=False,
        kernel_initializer=_initializer(seed),
        name=node.name,
    )(*inputs)


def _separable_conv(node: Node, inputs: list[Any], seed: int) -> Any:
    spec = node.layer
    assert isinstance(spec, layers.SeparableConv)
    return keras.layers.SeparableConv2D(
        spec.filters,
        spec.kernel,
        strides=spec.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_initializer(seed),
        pointwise_initializer=_initializer(seed + 1),
        name=node.name,
    )(*inputs)


def _batch_norm(node: Node, inputs: list[Any], seed: int) -> Any:
    spec = node.layer
    assert isinstance(spec, layers.BatchNorm)
    return keras.layers.BatchNormalization(momentum=spec.momentum, epsilon=spec.epsilon, name=node.name)(*inputs)


def _pool(node: Node, inputs: list[Any], seed: int) -> Any:
    spec = node.layer
    assert isinstance(spec, layers.Pool)
    kind = keras.layers.AveragePooling2D if spec.kind == "avg" else keras.layers.MaxPooling2D
    return kind(spec.size, strides=spec.stride, padding=spec.padding, name=node.name)(*inputs)


def _shift_by_one(node: Node, inputs: list[Any], seed: int) -> Any:
    padded = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{node.name}.pad")(*inputs)
    return keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"{node.name}.crop")(padded)


def _dropout(node: Node, inputs: list[Any], seed: int) -> Any:
    spec = node.layer
    assert isinstance(spec, layers.Dropout)
    return keras.layers.Dropout(spec.rate, seed=seed, name=node.name)(*inputs)


def _dense(node: Node, inputs: list[Any], seed: int) -> Any:
    spec = node.layer
    assert isinstance(spec, layers.Dense)
    return keras.layers.Dense(spec.units, kernel_initializer=_initializer(seed), name=node.name)(*inputs)


_BUILDERS: dict[type[layers.Layer], Callable[[Node, list[Any], int], Any]] = {
    layers.Conv: _conv,
    layers.SeparableConv: _separable_conv,
    layers.BatchNorm: _batch_norm,
    layers.Relu: lambda node, inputs, seed: keras.layers.ReLU(name=node.name)(*inputs),
    layers.Pool: _pool,
    layers.ShiftByOne: _shift_by_one,
    layers.Add: lambda node, inputs, seed: keras.layers.Add(name=node.name)(inputs),
    layers.Concat: lambda node, inputs, seed: keras.layers.Concatenate(name=node.name)(inputs),
    layers.GlobalPool: lambda node, inputs, seed: keras.layers.GlobalAveragePooling2D(name=node.name)(*inputs),
    layers.Dropout: _dropout,
    layers.Dense: _dense,
}
