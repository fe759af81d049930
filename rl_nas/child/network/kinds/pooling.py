"""Pooling."""

from typing import Any

import keras
import tensorflow as tf

from rl_nas.child.network.kinds.kind import LayerKind, Site
from rl_nas.child.network.layer_call import LayerCall, LayerPullback
from rl_nas.networks import layers


def _pool(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    size, stride = call.layer.size, call.layer.stride
    how: dict[str, Any] = {
        "ksize": [1, size, size, 1],
        "strides": [1, stride, stride, 1],
        "padding": call.layer.padding.upper(),
    }
    if call.layer.kind == "avg":
        return _averaged(call, x, how)
    output = tf.raw_ops.MaxPool(input=x, **how)
    to_input = _max_pool_eager if tf.executing_eagerly() else tf.raw_ops.MaxPoolGrad
    return output, lambda gradient: ([to_input(orig_input=x, orig_output=output, grad=gradient, **how)], [])


def _average_pool(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    return _averaged(call, x, {"ksize": [1, *call.layer.window, 1], "strides": [1, 1, 1, 1], "padding": "VALID"})


def _averaged(call: LayerCall, x: tf.Tensor, how: dict[str, Any]) -> tuple[tf.Tensor, LayerPullback]:
    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        x_shape = call.constant(tuple(x.shape))
        return [tf.raw_ops.AvgPoolGrad(orig_input_shape=x_shape, grad=gradient, **how)], []

    return tf.raw_ops.AvgPool(value=x, **how), pullback


def _max_pool_eager(orig_input: tf.Tensor, orig_output: tf.Tensor, grad: tf.Tensor, **how: Any) -> tf.Tensor:
    """`MaxPoolGrad` in a fifth of its time on CPUs: it is slow unless the same graph pooled."""
    return _max_pool_again(orig_input, grad, tuple(how["ksize"]), tuple(how["strides"]), how["padding"])


@tf.function(autograph=False)
def _max_pool_again(
    x: tf.Tensor, gradient: tf.Tensor, ksize: tuple[int, ...], strides: tuple[int, ...], padding: str
) -> tf.Tensor:
    how: dict[str, Any] = {"ksize": ksize, "strides": strides, "padding": padding}
    output = tf.raw_ops.MaxPool(input=x, **how)
    return tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=output, grad=gradient, **how)


def _global_pool(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    batch, height, width, channels = x.shape

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        pixel = tf.reshape(gradient / (height * width), call.constant((batch, 1, 1, channels)))
        return [tf.broadcast_to(pixel, call.constant((batch, height, width, channels)))], []

    return tf.reduce_mean(x, call.constant((1, 2))), pullback


def _keras_pool(layer: layers.Pool, site: Site) -> keras.Layer:
    kind = keras.layers.AveragePooling2D if layer.kind == "avg" else keras.layers.MaxPooling2D
    return kind(layer.size, strides=layer.stride, padding=layer.padding, name=site.name)


POOL = LayerKind(layers.Pool, keras=_keras_pool, compute=_pool)
AVERAGE_POOL = LayerKind(
    layers.AveragePool,
    keras=lambda layer, site: keras.layers.AveragePooling2D(layer.window, strides=1, name=site.name),
    compute=_average_pool,
)
GLOBAL_POOL = LayerKind(
    layers.GlobalPool,
    keras=lambda layer, site: keras.layers.GlobalAveragePooling2D(name=site.name),
    compute=_global_pool,
    narrow=False,
)
