"""Convolutions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rl_nas.child.network.kinds.kind import LayerKind, Site
from rl_nas.child.network.layer_call import LayerCall, LayerPullback
from rl_nas.networks import layers


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


def _conv(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    kernel, *bias = call.weights
    spec = call.layer
    if any(_picked(spec)):
        output, pull = _on_picked(call, x, kernel)
    elif spec.dilation == 1:
        output, pull = _convolved(call, x, kernel, spec.strides, spec.padding)
    else:
        output, pull = _dilated(call, x, kernel, (spec.dilation, spec.dilation), spec.padding)
    if not bias:
        return output, pull

    def pullback(gradient: tf.Tensor) -> tuple[Sequence[tf.Tensor | None], list[tf.Tensor]]:
        to_x, to_kernel = pull(gradient)
        return to_x, [*to_kernel, tf.raw_ops.BiasAddGrad(out_backprop=gradient)]

    return tf.raw_ops.BiasAdd(value=output, bias=bias[0]), pullback


def _picked(layer: layers.Conv) -> tuple[bool, ...]:
    """Whether a convolution reads only every second row, or column: it strides over them with a kernel of 1.

    On CPUs, TensorFlow's gradient to such a kernel (oneDNN; seen in 2.21.0) writes beyond its memory where a side is a
    multiple of the stride. The rows and columns that are read are picked before the convolution instead.
    """
    return tuple(size == 1 < stride for size, stride in zip(layer.kernel, layer.strides, strict=True))


def _strides(layer: layers.Conv, picked: bool) -> layers.Pair:
    """Strides of the picking, or of the convolution behind it."""
    down, across = (
        stride if picks == picked else 1 for picks, stride in zip(_picked(layer), layer.strides, strict=True)
    )
    return down, across


def _on_picked(call: LayerCall, x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    how: dict[str, Any] = {"ksize": [1] * 4, "strides": [1, *_strides(call.layer, True), 1], "padding": "VALID"}
    some = tf.raw_ops.AvgPool(value=x, **how)
    output, pull = _convolved(call, some, kernel, _strides(call.layer, False), call.layer.padding)

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], Sequence[tf.Tensor]]:
        (to_some,), to_kernel = pull(gradient)
        shape = call.constant(tuple(x.shape))
        return [tf.raw_ops.AvgPoolGrad(orig_input_shape=shape, grad=to_some, **how)], to_kernel

    return output, pullback


def _keras_conv(layer: layers.Conv, site: Site) -> Callable[..., Any]:
    conv: Callable[..., Any] = keras.layers.Conv2D(
        layer.filters,
        layer.kernel,
        strides=_strides(layer, False),
        padding=layer.padding,
        dilation_rate=layer.dilation,
        use_bias=layer.bias,
        name=site.name,
        **site.kernel(),
    )
    if not any(_picked(layer)):
        return conv
    pick = keras.layers.AveragePooling2D(1, strides=_strides(layer, True), name=f"{site.name}.pick")
    return lambda x: conv(pick(x))


def _depthwise_conv(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    (kernel,) = call.weights
    return _dilated(call, x, kernel, call.layer.dilation, operations=_BY_CHANNEL)


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
    wide = tf.cast(x, depthwise.dtype)  # on GPUs the operations of channels are slower in 16 bits
    if spec.dilation == 1:
        strides = (spec.stride, spec.stride)
        middle, pull_to_x = _convolved(call, wide, depthwise, strides, spec.padding, _BY_CHANNEL)
    else:
        rates = (spec.dilation, spec.dilation)
        middle, pull_to_x = _dilated(call, wide, depthwise, rates, spec.padding, _BY_CHANNEL)
    output, pull_to_middle = _convolved(call, tf.cast(middle, x.dtype), tf.cast(pointwise, x.dtype))

    def pullback(gradient: tf.Tensor) -> tuple[Sequence[tf.Tensor | None], list[tf.Tensor]]:
        (to_middle,), to_pointwise = pull_to_middle(gradient)
        to_x, to_depthwise = pull_to_x(tf.cast(to_middle, depthwise.dtype))
        return to_x, [*to_depthwise, *to_pointwise]

    return output, pullback


def _dilated(
    call: LayerCall,
    x: tf.Tensor,
    kernel: tf.Tensor,
    rates: layers.Pair,
    padding: layers.Padding = "same",
    operations: _Operations = _FULL,
) -> tuple[tf.Tensor, LayerPullback]:
    """Convolves by the taps that reach the image: a rate as large as a side leaves one of them."""
    size = kernel.shape[:2]
    dead = tuple(map(_dead_taps, size, rates, x.shape[1:3]))
    if padding == "valid" or not any(dead):
        return _on_grids(call, x, kernel, rates, padding, operations)
    reaching = tuple(taps - 2 * more for taps, more in zip(size, dead, strict=True))
    begin, shape = call.constant((*dead, 0, 0)), call.constant((*reaching, *kernel.shape[2:]))
    live = tf.raw_ops.Slice(input=kernel, begin=begin, size=shape)
    output, pull = _on_grids(call, x, live, rates, padding, operations)

    def pullback(gradient: tf.Tensor) -> tuple[Sequence[tf.Tensor | None], list[tf.Tensor]]:
        to_x, (to_live,) = pull(gradient)
        around = call.constant((*((more, more) for more in dead), (0, 0), (0, 0)))
        return to_x, [tf.raw_ops.Pad(input=to_live, paddings=around)]

    return output, pullback


def _dead_taps(taps: int, rate: int, side: int) -> int:
    """The number of taps at either end of a kernel's side that read nothing but padding."""
    before = (taps - 1) * rate // 2
    return min((taps - 1) // 2, max(0, (before - side) // rate + 1))


def _on_grids(
    call: LayerCall,
    x: tf.Tensor,
    kernel: tf.Tensor,
    rates: layers.Pair,
    padding: layers.Padding,
    operations: _Operations,
) -> tuple[tf.Tensor, LayerPullback]:
    """Convolves the grids of every `rates`-th pixel: CPUs have no gradient of dilated convolutions."""
    size = kernel.shape[:2]
    steps = tuple(1 if taps == 1 else rate for taps, rate in zip(size, rates, strict=True))
    if steps == (1, 1):
        return _convolved(call, x, kernel, padding=padding, operations=operations)
    same = padding == "same"
    margins = [(taps - 1) * step if same else 0 for taps, step in zip(size, steps, strict=True)]
    rest = [-(pixels + margin) % step for pixels, margin, step in zip(x.shape[1:3], margins, steps, strict=True)]
    block = call.constant(steps)
    sides = tuple((margin // 2, margin - margin // 2 + more) for margin, more in zip(margins, rest, strict=True))
    around, behind = call.constant(sides), call.constant(tuple((0, more) for more in rest))
    grids = tf.raw_ops.SpaceToBatchND(input=x, block_shape=block, paddings=around)
    convolved, pull = _convolved(call, grids, kernel, padding="valid", operations=operations)

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], Sequence[tf.Tensor]]:
        (to_grids,), to_kernel = pull(tf.raw_ops.SpaceToBatchND(input=gradient, block_shape=block, paddings=behind))
        return [tf.raw_ops.BatchToSpaceND(input=to_grids, block_shape=block, crops=around)], to_kernel

    return tf.raw_ops.BatchToSpaceND(input=convolved, block_shape=block, crops=behind), pullback


CONV = LayerKind(layers.Conv, keras=_keras_conv, compute=_conv)
DEPTHWISE_CONV = LayerKind(
    layers.DepthwiseConv,
    keras=lambda layer, site: keras.layers.DepthwiseConv2D(
        layer.kernel,
        padding="same",
        dilation_rate=layer.dilation,
        use_bias=False,
        name=site.name,
        **site.kernel("depthwise"),
    ),
    compute=_depthwise_conv,
    narrow=False,
)
SEPARABLE_CONV = LayerKind(
    layers.SeparableConv,
    keras=lambda layer, site: keras.layers.SeparableConv2D(
        layer.filters,
        layer.kernel,
        strides=layer.stride,
        padding=layer.padding,
        dilation_rate=layer.dilation,
        use_bias=False,
        name=site.name,
        **site.kernel("depthwise"),
        **site.kernel("pointwise"),
    ),
    compute=_separable_conv,
    narrow_weights=False,
)
