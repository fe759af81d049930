"""Sums, concatenations, paddings and croppings: layers without weights that move values."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rl_nas.child.network.kinds.kind import LayerKind, Site
from rl_nas.child.network.layer_call import LayerCall, LayerPullback, taped
from rl_nas.networks import layers


def _add(call: LayerCall, *inputs: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    return tf.raw_ops.AddN(inputs=inputs), lambda gradient: ([gradient] * len(inputs), [])


def _global_attention(call: LayerCall, x: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    pixels = call.constant((1, 2))
    most = tf.reduce_max(x, pixels, keepdims=True)
    gate = tf.sigmoid(most)

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        to_most = tf.reduce_sum(gradient * other, pixels, keepdims=True) * gate * (1 - gate)
        at_most = tf.cast(x == most, x.dtype)  # equal ones share it, as in TensorFlow's gradient
        shared = to_most / tf.reduce_sum(at_most, pixels, keepdims=True)
        return [gradient + at_most * shared, gradient * gate], []

    return x + other * gate, pullback


def _keras_global_attention(x: Any, other: Any) -> Any:
    return x + other * keras.ops.sigmoid(keras.ops.max(x, axis=(1, 2), keepdims=True))


@taped
def _flatten_levels(call: LayerCall, *inputs: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.reshape(x, (x.shape[0], -1, call.layer.values)) for x in inputs], axis=1)


def _keras_flatten_levels(layer: layers.FlattenLevels, site: Site) -> Callable[..., Any]:
    flatten = [
        keras.layers.Reshape((-1, layer.values), name=f"{site.name}.{number}")
        for number in range(len(site.node.inputs))
    ]
    join = keras.layers.Concatenate(axis=1, name=site.name)

    def call(*inputs: Any) -> Any:
        flat = [reshape(x) for reshape, x in zip(flatten, inputs, strict=True)]
        return flat[0] if len(flat) == 1 else join(flat)

    return call


def _concat(call: LayerCall, *inputs: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    channels, axis = tuple(x.shape[-1] for x in inputs), call.constant(-1)

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        if len(set(channels)) == 1:
            return tf.raw_ops.Split(axis=axis, value=gradient, num_split=len(inputs)), []
        sizes = call.constant(channels)
        return tf.raw_ops.SplitV(value=gradient, size_splits=sizes, axis=axis, num_split=len(inputs)), []

    return tf.raw_ops.ConcatV2(values=inputs, axis=axis), pullback


def _shift(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    by = call.layer.pixels

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        return [tf.pad(gradient[:, :-by, :-by], [[0, 0], [by, 0], [by, 0], [0, 0]])], []

    return tf.pad(x[:, by:, by:], [[0, 0], [0, by], [0, by], [0, 0]]), pullback


@taped
def _pad(call: LayerCall, x: tf.Tensor) -> tf.Tensor:
    spec = call.layer
    return tf.pad(x, [[0, 0], [spec.top, spec.bottom], [spec.left, spec.right], [0, 0]])


@taped
def _crop_image(call: LayerCall, x: tf.Tensor) -> tf.Tensor:
    height, width = call.layer.size
    return x[:, :height, :width]


def _keras_shift(layer: layers.Shift, site: Site) -> Callable[[Any], Any]:
    by = layer.pixels
    pad = keras.layers.ZeroPadding2D(((0, by), (0, by)), name=f"{site.name}.pad")
    crop = keras.layers.Cropping2D(((by, 0), (by, 0)), name=f"{site.name}.crop")
    return lambda x: crop(pad(x))


def _keras_crop_channels(layer: layers.CropChannels, site: Site) -> Callable[[Any], Any]:
    shape, kept = site.node.inputs[0].shape, site.node.output.shape
    # Channels become a dimension that Keras can crop.
    unfold = keras.layers.Reshape((*shape, 1), name=f"{site.name}.unfold")
    crop = keras.layers.Cropping3D(((0, 0), (0, 0), (0, shape[2] - kept[2])), name=f"{site.name}.crop")
    fold = keras.layers.Reshape(kept, name=site.name)
    return lambda x: fold(crop(unfold(x)))


def _keras_crop_image(layer: layers.CropImage, site: Site) -> keras.Layer:
    height, width, _ = site.node.inputs[0].shape
    return keras.layers.Cropping2D(((0, height - layer.size[0]), (0, width - layer.size[1])), name=site.name)


def _joined(layer: keras.Layer) -> Callable[..., Any]:
    return lambda *inputs: layer(inputs)


ADD = LayerKind(layers.Add, keras=lambda layer, site: _joined(keras.layers.Add(name=site.name)), compute=_add)
CONCAT = LayerKind(
    layers.Concat, keras=lambda layer, site: _joined(keras.layers.Concatenate(name=site.name)), compute=_concat
)
GLOBAL_ATTENTION = LayerKind(
    layers.GlobalAttention, keras=lambda layer, site: _keras_global_attention, compute=_global_attention, narrow=False
)
FLATTEN_LEVELS = LayerKind(layers.FlattenLevels, keras=_keras_flatten_levels, compute=_flatten_levels)
SHIFT = LayerKind(layers.Shift, keras=_keras_shift, compute=_shift)
PAD = LayerKind(
    layers.Pad,
    keras=lambda layer, site: keras.layers.ZeroPadding2D(
        ((layer.top, layer.bottom), (layer.left, layer.right)), name=site.name
    ),
    compute=_pad,
)
CROP_CHANNELS = LayerKind(
    layers.CropChannels, keras=_keras_crop_channels, compute=taped(lambda call, x: x[..., : call.layer.channels])
)
CROP_IMAGE = LayerKind(layers.CropImage, keras=_keras_crop_image, compute=_crop_image)
ZERO = LayerKind(
    layers.Zero,
    keras=lambda layer, site: keras.layers.Rescaling(0.0, name=site.name),
    compute=lambda call, x: (tf.zeros_like(x), lambda gradient: ([None], [])),
)
