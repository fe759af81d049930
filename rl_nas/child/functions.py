"""What each kind of layer computes, and how gradients flow back through it, without a Keras layer.

A Keras layer is made and traced in milliseconds; a child has hundreds and is trained for seconds. These functions
compute the same (`tests/child/test_planned_model.py`), with batch normalisation as one operation instead of ten.
The layers of which children have many bring their own gradient, which spares the tape; the others leave it to that.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rl_nas.networks import layers

Pullback = Callable[[tf.Tensor], tuple[Sequence[tf.Tensor | None], Sequence[tf.Tensor]]]
"""The gradient of the output -> those of the inputs (None: does not matter) and of the weights."""


class Call(NamedTuple):
    """What a layer is called with, beside its inputs.

    Attributes:
        layer: the planned layer.
        weights: its trainable weights.
        moving: moving mean and variance of a batch normalisation.
        moved: receives, in training mode, what they are moved towards.
        training: whether in training mode.
        of_batch: whether normalised by the statistics of the batch, in training mode as out of it.
        seed: int [2]; what is random is a function of it.
        step: number of the training step.
        constant: makes an int32 tensor of nested tuples, one for all layers that ask for it: a third of a graph's
            operations would be constants otherwise.
    """

    layer: Any
    weights: Sequence[tf.Tensor]
    moving: Sequence[tf.Tensor]
    moved: list["Moved"]
    training: bool
    of_batch: bool
    seed: tf.Tensor | None
    step: tf.Tensor | None
    constant: Callable[[Any], tf.Tensor]


class Moved(NamedTuple):
    """Where a moving average goes: `decay` times itself and `rest` times the value."""

    decay: float
    rest: float
    value: tf.Tensor


Function = Callable[..., tuple[tf.Tensor, Pullback]]


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


def _conv(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    (kernel,) = call.weights
    spec = call.layer
    if spec.dilation == 1:
        return _convolved(call, x, kernel, spec.strides, spec.padding)
    return _dilated(call, x, spec.kernel, lambda grids: _convolved(call, grids, kernel, padding="valid"))


class _Operations(NamedTuple):
    """A convolution, and its gradients to its input and to its kernel."""

    forward: Callable[..., tf.Tensor]
    to_input: Callable[..., tf.Tensor]
    to_kernel: Callable[..., tf.Tensor]


_FULL = _Operations(tf.raw_ops.Conv2D, tf.raw_ops.Conv2DBackpropInput, tf.raw_ops.Conv2DBackpropFilter)
_BY_CHANNEL = _Operations(
    tf.raw_ops.DepthwiseConv2dNative,
    tf.raw_ops.DepthwiseConv2dNativeBackpropInput,
    tf.raw_ops.DepthwiseConv2dNativeBackpropFilter,
)


def _convolved(
    call: Call,
    x: tf.Tensor,
    kernel: tf.Tensor,
    strides: layers.Pair = (1, 1),
    padding: layers.Padding = "same",
    operations: _Operations = _FULL,
) -> tuple[tf.Tensor, Pullback]:
    how: dict[str, Any] = {"strides": [1, *strides, 1], "padding": padding.upper()}

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        x_shape, kernel_shape = (call.constant(tuple(tensor.shape)) for tensor in (x, kernel))
        to_x = operations.to_input(input_sizes=x_shape, filter=kernel, out_backprop=gradient, **how)
        to_kernel = operations.to_kernel(input=x, filter_sizes=kernel_shape, out_backprop=gradient, **how)
        return [to_x], [to_kernel]

    return operations.forward(input=x, filter=kernel, **how), pullback


def _separable_conv(call: Call, x: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
    depthwise, pointwise = call.weights
    spec = call.layer
    if spec.dilation == 1:
        strides = (spec.stride, spec.stride)
        middle, pull_to_x = _convolved(call, x, depthwise, strides, operations=_BY_CHANNEL)
    else:
        middle, pull_to_x = _dilated(
            call,
            x,
            (spec.kernel, spec.kernel),
            lambda grids: _convolved(call, grids, depthwise, padding="valid", operations=_BY_CHANNEL),
        )
    output, pull_to_middle = _convolved(call, middle, pointwise)

    def pullback(gradient: tf.Tensor) -> tuple[Sequence[tf.Tensor | None], list[tf.Tensor]]:
        (to_middle,), to_pointwise = pull_to_middle(gradient)
        to_x, to_depthwise = pull_to_x(to_middle)
        return to_x, [*to_depthwise, *to_pointwise]

    return output, pullback


def _dilated(
    call: Call, x: tf.Tensor, size: layers.Pair, convolve: Callable[[tf.Tensor], tuple[tf.Tensor, Pullback]]
) -> tuple[tf.Tensor, Pullback]:
    """Convolves the grids that every `dilation`-th pixel makes: CPUs have no gradient of dilated convolutions."""
    dilation = call.layer.dilation
    margins = [(kernel - 1) * dilation for kernel in size]
    rest = [-(pixels + margin) % dilation for pixels, margin in zip(x.shape[1:3], margins, strict=True)]
    block = call.constant((dilation, dilation))
    sides = tuple((margin // 2, margin - margin // 2 + more) for margin, more in zip(margins, rest, strict=True))
    around, behind = call.constant(sides), call.constant(tuple((0, more) for more in rest))
    grids, pull = convolve(tf.raw_ops.SpaceToBatchND(input=x, block_shape=block, paddings=around))

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], Sequence[tf.Tensor]]:
        (to_grids,), to_weights = pull(tf.raw_ops.SpaceToBatchND(input=gradient, block_shape=block, paddings=behind))
        return [tf.raw_ops.BatchToSpaceND(input=to_grids, block_shape=block, crops=around)], to_weights

    return tf.raw_ops.BatchToSpaceND(input=grids, block_shape=block, crops=behind), pullback


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
    layers.Conv: _conv,
    layers.SeparableConv: _separable_conv,
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
