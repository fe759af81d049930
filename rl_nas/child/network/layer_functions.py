"""What each kind of layer computes, and how gradients flow back through it, without a Keras layer.

A Keras layer is made and traced in milliseconds; a child has hundreds and is trained for seconds. These functions
compute the same (`tests/child/test_planned_model.py`), with batch normalisation as one operation instead of ten.
The layers of which children have many bring their own gradient, which spares the tape; the others leave it to that.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rl_nas.child.network.convolutions import conv, separable_conv
from rl_nas.child.network.layer_call import Call, Function, Moved, Pullback
from rl_nas.networks import layers


def _taped(compute: Callable[..., tf.Tensor]) -> Function:
    """Adds to a layer that computes its output the gradient that TensorFlow knows."""

    def function(call: Call, *inputs: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
        sources = [*inputs, *call.weights]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            output = compute(call, *inputs)

        def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
            gradients = tape.gradient(output, sources, gradient, unconnected_gradients="zero")
            return gradients[: len(inputs)], gradients[len(inputs) :]

        return output, pullback

    return function


def _batch_norm(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
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
        # The operation estimates the variance of the population; the average is of the batch's, as in Keras.
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


def _relu(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    output = tf.raw_ops.Relu(features=x)
    return output, lambda gradient: ([tf.raw_ops.ReluGrad(gradients=gradient, features=output)], [])


def _pool(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    size, stride = call.layer.size, call.layer.stride
    how: dict[str, Any] = {
        "ksize": [1, size, size, 1],
        "strides": [1, stride, stride, 1],
        "padding": call.layer.padding.upper(),
    }
    if call.layer.kind == "avg":
        output = tf.raw_ops.AvgPool(value=x, **how)
        return output, lambda gradient: (
            [tf.raw_ops.AvgPoolGrad(orig_input_shape=call.constant(tuple(x.shape)), grad=gradient, **how)],
            [],
        )
    output = tf.raw_ops.MaxPool(input=x, **how)
    to_input = _max_pool_eager if tf.executing_eagerly() else tf.raw_ops.MaxPoolGrad
    return output, lambda gradient: ([to_input(orig_input=x, orig_output=output, grad=gradient, **how)], [])


def _max_pool_eager(orig_input: tf.Tensor, orig_output: tf.Tensor, grad: tf.Tensor, **how: Any) -> tf.Tensor:
    """`MaxPoolGrad`, on CPUs in a fifth of its time: it is slow where its own graph did not pool."""
    return _max_pool_again(orig_input, grad, tuple(how["ksize"]), tuple(how["strides"]), how["padding"])


@tf.function(autograph=False)
def _max_pool_again(
    x: tf.Tensor, gradient: tf.Tensor, ksize: tuple[int, ...], strides: tuple[int, ...], padding: str
) -> tf.Tensor:
    how: dict[str, Any] = {"ksize": ksize, "strides": strides, "padding": padding}
    output = tf.raw_ops.MaxPool(input=x, **how)
    return tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=output, grad=gradient, **how)


def _add(call: Call, *inputs: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    return tf.raw_ops.AddN(inputs=inputs), lambda gradient: ([gradient] * len(inputs), [])


def _global_pool(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    batch, height, width, channels = x.shape

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        pixel = tf.reshape(gradient / (height * width), call.constant((batch, 1, 1, channels)))
        return [tf.broadcast_to(pixel, call.constant((batch, height, width, channels)))], []

    return tf.reduce_mean(x, call.constant((1, 2))), pullback


def _concat(call: Call, *inputs: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    channels, axis = tuple(x.shape[-1] for x in inputs), call.constant(-1)

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        if len(set(channels)) == 1:
            return tf.raw_ops.Split(axis=axis, value=gradient, num_split=len(inputs)), []
        sizes = call.constant(channels)
        return tf.raw_ops.SplitV(value=gradient, size_splits=sizes, axis=axis, num_split=len(inputs)), []

    return tf.raw_ops.ConcatV2(values=inputs, axis=axis), pullback


def _shift_by_one(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        return [tf.pad(gradient[:, :-1, :-1], [[0, 0], [1, 0], [1, 0], [0, 0]])], []

    return tf.pad(x[:, 1:, 1:], [[0, 0], [0, 1], [0, 1], [0, 0]]), pullback


@_taped
def _pad(call: Call, x: tf.Tensor) -> tf.Tensor:
    spec = call.layer
    return tf.pad(x, [[0, 0], [spec.top, spec.bottom], [spec.left, spec.right], [0, 0]])


def _dense(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    kernel, bias = call.weights

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        to_x = tf.raw_ops.MatMul(a=gradient, b=kernel, transpose_b=True)
        to_kernel = tf.raw_ops.MatMul(a=x, b=gradient, transpose_a=True)
        return [to_x], [to_kernel, tf.raw_ops.BiasAddGrad(out_backprop=gradient)]

    return tf.raw_ops.BiasAdd(value=tf.raw_ops.MatMul(a=x, b=kernel), bias=bias), pullback


@_taped
def _dropout(call: Call, x: tf.Tensor) -> tf.Tensor:
    if not call.training:
        return x
    return tf.nn.experimental.stateless_dropout(x, call.layer.rate, call.seed)


def _progress(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    progress = tf.minimum(1.0, tf.cast(call.step, tf.float32) / call.layer.steps) if call.training else tf.zeros([])
    return progress, lambda gradient: ([None], [])


def _drop_path(call: Call, x: tf.Tensor, progress: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    if not call.training:
        return x, lambda gradient: ([gradient, None], [])
    keep = 1 - progress * (1 - call.layer.keep)
    kept = tf.random.stateless_uniform([x.shape[0], 1, 1, 1], call.seed) < keep
    scale = tf.where(kept, 1 / keep, 0.0)
    return x * scale, lambda gradient: ([gradient * scale, None], [])


FUNCTIONS: dict[type[layers.Layer], Function] = {
    layers.Conv: conv,
    layers.SeparableConv: separable_conv,
    layers.BatchNorm: _batch_norm,
    layers.Relu: _relu,
    layers.Pool: _pool,
    layers.ShiftByOne: _shift_by_one,
    layers.Pad: _pad,
    layers.Crop: _taped(lambda call, x: x[..., : call.layer.channels]),
    layers.Zero: lambda call, x: (tf.zeros_like(x), lambda gradient: ([None], [])),
    layers.Add: _add,
    layers.Concat: _concat,
    layers.GlobalPool: _global_pool,
    layers.TrainingProgress: _progress,
    layers.DropPath: _drop_path,
    layers.Dropout: _dropout,
    layers.Dense: _dense,
}
"""Kind of layer -> function of the call and of the inputs: the output, and its pullback."""
