"""Dense layers, normalization and activation."""

import keras
import tensorflow as tf

from rl_nas.child.network.kinds.kind import LayerKind
from rl_nas.child.network.layer_call import LayerCall, LayerPullback, Moved
from rl_nas.networks import layers


def _batch_norm(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    if call.layer.frozen:
        return _frozen_norm(call, x)
    scale, offset = call.weights
    mean, variance = call.moving
    norm = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=call.layer.epsilon,
        is_training=call.of_batch,
    )
    if call.of_batch:
        pixels = x.shape[0] * x.shape[1] * x.shape[2]
        decay, rest = call.layer.momentum, 1 - call.layer.momentum
        call.moved.append(Moved(decay, rest, norm.batch_mean))
        # The operation estimates the population's variance; the moving average is of the batch's, as in Keras.
        call.moved.append(Moved(decay, rest * (pixels - 1) / pixels, norm.batch_variance))

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        to = tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=gradient,
            x=x,
            scale=scale,
            reserve_space_1=norm.reserve_space_1,
            reserve_space_2=norm.reserve_space_2,
            reserve_space_3=norm.reserve_space_3,
            epsilon=call.layer.epsilon,
            is_training=True,
        )
        return [to.x_backprop], [to.scale_backprop, to.offset_backprop]

    return norm.y, pullback


def _frozen_norm(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    """A linear map of each channel, by weights that stay."""
    scale, offset, mean, variance = call.moving
    epsilon = call.layer.epsilon
    call.moved.extend(Moved(1.0, 0.0, weight) for weight in call.moving)
    norm = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=epsilon, is_training=False
    )
    return norm.y, lambda gradient: ([gradient * tf.cast(scale * tf.math.rsqrt(variance + epsilon), x.dtype)], [])


def _relu(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    output = tf.raw_ops.Relu(features=x)
    return output, lambda gradient: ([tf.raw_ops.ReluGrad(gradients=gradient, features=output)], [])


def _dense(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    kernel, bias = call.weights

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        to_x = tf.raw_ops.MatMul(a=gradient, b=kernel, transpose_b=True)
        to_kernel = tf.raw_ops.MatMul(a=x, b=gradient, transpose_a=True)
        return [to_x], [to_kernel, tf.raw_ops.BiasAddGrad(out_backprop=gradient)]

    return tf.raw_ops.BiasAdd(value=tf.raw_ops.MatMul(a=x, b=kernel), bias=bias), pullback


BATCH_NORM = LayerKind(
    layers.BatchNorm,
    keras=lambda layer, site: keras.layers.BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, trainable=not layer.frozen, name=site.name
    ),
    compute=_batch_norm,
    narrow_weights=False,
)
RELU = LayerKind(layers.Relu, keras=lambda layer, site: keras.layers.ReLU(name=site.name), compute=_relu)
DENSE = LayerKind(
    layers.Dense,
    keras=lambda layer, site: keras.layers.Dense(layer.units, name=site.name, **site.kernel()),
    compute=_dense,
    narrow=False,
)
