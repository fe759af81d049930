"""Convolutions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rl_nas.child.network.kinds.kind import LayerKind
from rl_nas.child.network.layer_call import LayerCall, LayerPullback
from rl_nas.networks import layers


def _conv(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
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
    call: LayerCall,
    x: tf.Tensor,
    kernel: tf.Tensor,
    strides: layers.Pair = (1, 1),
    padding: layers.Padding = "same",
    operations: _Operations = _FULL,
) -> tuple[tf.Tensor, LayerPullback]:
    how: dict[str, Any] = {"strides": [1, *strides, 1], "padding": padding.upper()}

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        x_shape, kernel_shape = (call.constant(tuple(tensor.shape)) for tensor in (x, kernel))
        to_x = operations.to_input(input_sizes=x_shape, filter=kernel, out_backprop=gradient, **how)
        to_kernel = operations.to_kernel(input=x, filter_sizes=kernel_shape, out_backprop=gradient, **how)
        return [to_x], [to_kernel]

    return operations.forward(input=x, filter=kernel, **how), pullback


def _separable_conv(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    """A convolution of each channel, then one across them."""
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
    call: LayerCall, x: tf.Tensor, size: layers.Pair, convolve: Callable[[tf.Tensor], tuple[tf.Tensor, LayerPullback]]
) -> tuple[tf.Tensor, LayerPullback]:
    """Convolves the grids of every `dilation`-th pixel: CPUs have no gradient of dilated convolutions."""
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


CONV = LayerKind(
    layers.Conv,
    keras=lambda layer, site: keras.layers.Conv2D(
        layer.filters,
        layer.kernel,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation,
        use_bias=False,
        name=site.name,
        **site.kernel(),
    ),
    compute=_conv,
)
SEPARABLE_CONV = LayerKind(
    layers.SeparableConv,
    keras=lambda layer, site: keras.layers.SeparableConv2D(
        layer.filters,
        layer.kernel,
        strides=layer.stride,
        padding="same",
        dilation_rate=layer.dilation,
        use_bias=False,
        name=site.name,
        **site.kernel("depthwise"),
        **site.kernel("pointwise"),
    ),
    compute=_separable_conv,
)
