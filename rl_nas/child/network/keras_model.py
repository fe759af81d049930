"""Builds the Keras model of a planned network."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from rl_nas.child.network.keras_layers import ScheduledDropPath, TrainingProgress
from rl_nas.child.network.parameters import initial_parameters, node_seeds
from rl_nas.networks import layers
from rl_nas.networks.plan import Node, Plan


def build_model(plan: Plan, *, seed: int = 0, l2: float = 0.0, name: str = "child") -> keras.Model:
    """Builds a functional model of stock Keras layers, and of the two of `rl_nas.child.network.keras_layers`.

    Weights start as in the released code of Zoph et al. 2018: variance scaling by fan-out, factor 2.

    Args:
        plan: the network.
        seed: the initial weights, the dropout and the drop path are functions of it and of the layer's position.
        l2: adds this times half the squared kernels to the model's losses; for `fit` and loops like it.
        name: name of the model.

    Returns:
        A model from float images [batch, height, width, channels] to logits [batch, classes]; with an
        auxiliary head to a dict of two such tensors, `logits` and `auxiliary`.
    """
    image = keras.Input(plan.image.shape, name="image")
    outputs = {plan.image.node: image}
    for node, node_seed in zip(plan.nodes, node_seeds(plan, seed), strict=True):
        inputs = [outputs[tensor.node] for tensor in node.inputs]
        outputs[node.output.node] = _BUILDERS[type(node.layer)](_Site(node, node_seed, l2), *inputs)
    ends = outputs[plan.output.node]
    if plan.auxiliary is not None:
        ends = {"logits": ends, "auxiliary": outputs[plan.auxiliary.node]}
    model = keras.Model(image, ends, name=name)
    _initialize(model, plan, seed)
    return model


def _initialize(model: keras.Model, plan: Plan, seed: int) -> None:
    variables = {variable.path: variable for variable in model.trainable_variables}
    for node, node_seed in zip(plan.nodes, node_seeds(plan, seed), strict=True):
        for parameter in initial_parameters(node, node_seed).trainable:
            variables[parameter.path].assign(parameter.numpy())


class _Site(NamedTuple):
    """What a builder is told beside its inputs."""

    node: Node
    seed: int
    l2: float

    @property
    def name(self) -> str:
        return self.node.name

    def kernel(self, kind: str = "kernel") -> dict[str, Any]:
        """The arguments of a layer that are about its kernel, whose values come later."""
        regularizer = keras.regularizers.L2(self.l2 / 2) if self.l2 else None
        return {f"{kind}_initializer": "zeros", f"{kind}_regularizer": regularizer}


def _conv(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.Conv)
    return keras.layers.Conv2D(
        spec.filters,
        spec.kernel,
        strides=spec.strides,
        padding=spec.padding,
        dilation_rate=spec.dilation,
        use_bias=False,
        name=site.name,
        **site.kernel(),
    )(x)


def _separable_conv(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.SeparableConv)
    return keras.layers.SeparableConv2D(
        spec.filters,
        spec.kernel,
        strides=spec.stride,
        padding="same",
        dilation_rate=spec.dilation,
        use_bias=False,
        name=site.name,
        **site.kernel("depthwise"),
        **site.kernel("pointwise"),
    )(x)


def _batch_norm(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.BatchNorm)
    return keras.layers.BatchNormalization(momentum=spec.momentum, epsilon=spec.epsilon, name=site.name)(x)


def _pool(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.Pool)
    kind = keras.layers.AveragePooling2D if spec.kind == "avg" else keras.layers.MaxPooling2D
    return kind(spec.size, strides=spec.stride, padding=spec.padding, name=site.name)(x)


def _shift_by_one(site: _Site, x: Any) -> Any:
    padded = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{site.name}.pad")(x)
    return keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"{site.name}.crop")(padded)


def _pad(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.Pad)
    around = ((spec.top, spec.bottom), (spec.left, spec.right))
    return keras.layers.ZeroPadding2D(around, name=site.name)(x)


def _crop(site: _Site, x: Any) -> Any:
    shape, kept = site.node.inputs[0].shape, site.node.output.shape
    # Channels become a dimension that Keras can crop.
    x = keras.layers.Reshape((*shape, 1), name=f"{site.name}.unfold")(x)
    x = keras.layers.Cropping3D(((0, 0), (0, 0), (0, shape[2] - kept[2])), name=f"{site.name}.crop")(x)
    return keras.layers.Reshape(kept, name=site.name)(x)


def _progress(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.TrainingProgress)
    return TrainingProgress(spec.steps, name=site.name)(x)


def _drop_path(site: _Site, x: Any, progress: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.DropPath)
    return ScheduledDropPath(spec.keep, seed=site.seed, name=site.name)(x, progress)


def _dropout(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.Dropout)
    return keras.layers.Dropout(spec.rate, seed=site.seed, name=site.name)(x)


def _dense(site: _Site, x: Any) -> Any:
    spec = site.node.layer
    assert isinstance(spec, layers.Dense)
    return keras.layers.Dense(spec.units, name=site.name, **site.kernel())(x)


_BUILDERS: dict[type[layers.Layer], Callable[..., Any]] = {
    layers.Conv: _conv,
    layers.SeparableConv: _separable_conv,
    layers.BatchNorm: _batch_norm,
    layers.Relu: lambda site, x: keras.layers.ReLU(name=site.name)(x),
    layers.Pool: _pool,
    layers.ShiftByOne: _shift_by_one,
    layers.Pad: _pad,
    layers.Crop: _crop,
    layers.Zero: lambda site, x: keras.layers.Rescaling(0.0, name=site.name)(x),
    layers.Add: lambda site, *inputs: keras.layers.Add(name=site.name)(inputs),
    layers.Concat: lambda site, *inputs: keras.layers.Concatenate(name=site.name)(inputs),
    layers.GlobalPool: lambda site, x: keras.layers.GlobalAveragePooling2D(name=site.name)(x),
    layers.TrainingProgress: _progress,
    layers.DropPath: _drop_path,
    layers.Dropout: _dropout,
    layers.Dense: _dense,
}
"""Kind of layer -> function of the site and of the inputs that returns the output."""
