"""Dilated backbones: beyond a stride, layers keep the resolution and are dilated instead (Chen et al. 2017, DeepLabv3).

They have the weights of the strided network, by name and shape. Behind convolutions alone they compute the same at the
positions that the strided network has: every removed stride leaves its padding, scaled by the dilation. Pools are not
dilated, and one whose stride is removed sees zeros around the image.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from rl_nas.errors import UsageError
from rl_nas.networks.features import Features
from rl_nas.networks.layer import Layer
from rl_nas.networks.layers import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    CropChannels,
    DepthwiseConv,
    Dropout,
    DropPath,
    Pad,
    Pair,
    Pool,
    Relu,
    SeparableConv,
    Shift,
    Zero,
)
from rl_nas.networks.plan import Plan, Tensor

_POINTWISE = (Add, BatchNorm, Concat, CropChannels, Dropout, DropPath, Relu, Zero)
_T = TypeVar("_T")


def dilate(plan: Plan, features: Features, max_stride: int) -> Features:
    """Replaces the layers of a backbone by dilated ones where its stride would exceed the largest.

    Args:
        plan: of the backbone alone.
        features: of the backbone.
        max_stride: the largest stride that is left.

    Returns:
        The features by the strides that they have now; of several stages with one stride, those of the last.

    Raises:
        UsageError: a layer has no dilated form.
    """
    nodes, plan.nodes = plan.nodes, []
    tensors = {tensor.node: tensor for tensor in plan.inputs.values()}
    grids = dict.fromkeys(tensors, _Grid())
    for node in nodes:
        inputs = [tensors[tensor.node] for tensor in node.inputs]
        made = _dilated(node.layer, grids[node.inputs[0].node], inputs[0].size, max_stride)
        if made is None:
            raise UsageError(
                f"--dilated: layer {node.name} ({type(node.layer).__name__}) has no dilated form; leave it out"
            )
        if made.pad is not None:
            inputs[0] = plan.add(made.pad, inputs[0], name=f"{node.name}.pad")
        output = Tensor(node.output.node, made.layer.output_shape(*(tensor.shape for tensor in inputs)))
        plan.nodes.append(replace(node, layer=made.layer, inputs=tuple(inputs), output=output))
        tensors[output.node], grids[output.node] = output, made.grid
    levels = {min(stride, max_stride): tensors[features.levels[stride].node] for stride in sorted(features.levels)}
    return replace(features, levels=levels)


@dataclass(frozen=True)
class _Grid:
    """The positions of a feature map, down and across.

    Attributes:
        stride: pixels of the image from one to the next.
        rate: positions from one that the strided network has to the next one.
    """

    stride: Pair = (1, 1)
    rate: Pair = (1, 1)


class _Dilated(NamedTuple):
    """A dilated layer, the padding before it, and the positions of its output."""

    layer: Layer
    grid: _Grid
    pad: Pad | None = None


class _Window(NamedTuple):
    """A sliding window, down and across."""

    taps: Pair
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: str = "same"


def _dilated(layer: Layer, grid: _Grid, size: Pair, max_stride: int) -> _Dilated | None:
    """The dilated form of a layer that reads a map of this grid and size; None if there is none."""
    window = _window_of(layer)
    if window is not None:
        return _slid(layer, window, grid, size, max_stride)
    if isinstance(layer, Shift) and grid.rate[0] == grid.rate[1]:
        return _Dilated(replace(layer, pixels=layer.pixels * grid.rate[0]), grid)
    return _Dilated(layer, grid) if isinstance(layer, _POINTWISE) or grid.rate == (1, 1) else None


def _window_of(layer: Layer) -> _Window | None:
    match layer:
        case Conv():
            return _Window(layer.kernel, layer.strides, (layer.dilation, layer.dilation), layer.padding)
        case SeparableConv(kernel=taps, stride=stride, dilation=rate):
            return _Window((taps, taps), (stride, stride), (rate, rate), layer.padding)
        case DepthwiseConv(kernel=taps, dilation=rates):
            return _Window((taps, taps), dilation=rates)
        case Pool(size=taps, stride=stride):
            return _Window((taps, taps), (stride, stride), padding=layer.padding)
    return None


def _slid(layer: Any, window: _Window, grid: _Grid, size: Pair, max_stride: int) -> _Dilated | None:
    """The dilated form of a layer with a sliding window."""
    removed = _each(lambda before, by: by > 1 and before * by > max_stride, grid.stride, window.strides)
    if not any(removed) and grid.rate == (1, 1):
        return _Dilated(layer, replace(grid, stride=_each(int.__mul__, grid.stride, window.strides)))
    strides = _each(lambda by, gone: 1 if gone else by, window.strides, removed)
    after = _Grid(
        _each(int.__mul__, grid.stride, strides),
        _each(lambda rate, by, now: rate * by // now, grid.rate, window.strides, strides),
    )
    rates = (1, 1) if isinstance(layer, Pool) else grid.rate
    dilation = _each(lambda one, rate, taps: one * rate if taps > 1 else 0, window.dilation, rates, window.taps)
    changed = _with_strides(layer, strides, dilation)
    if changed is None or window.padding == "valid":
        return None
    if not any(removed) and (isinstance(layer, Pool) or all(taps % 2 for taps in window.taps)):
        return _Dilated(changed, after)  # the same padding on both sides
    (top, bottom), (left, right) = _each(_around, size, grid.rate, window.taps, window.strides, window.dilation, rates)
    pad = Pad(top, bottom, left, right)
    return _Dilated(replace(changed, padding="valid"), after, pad if any((top, bottom, left, right)) else None)


def _with_strides(layer: Any, strides: Pair, dilation: Pair) -> Any:
    """The layer with other strides and dilation (0: any); None if it cannot have them."""
    if isinstance(layer, DepthwiseConv):
        return replace(layer, dilation=_each(lambda rate: rate or 1, dilation))
    needed = {rate for rate in dilation if rate} or {1}
    if len(needed) > 1 or (needed != {1} and strides != (1, 1)):
        return None
    (rate,) = needed
    if isinstance(layer, Pool):
        return replace(layer, stride=strides[0])
    if isinstance(layer, SeparableConv):
        return replace(layer, stride=strides[0], dilation=rate)
    return replace(layer, strides=strides, dilation=rate)


def _around(pixels: int, rate: int, taps: int, stride: int, dilation: int, scale: int) -> Pair:
    """Zeros before and behind a side, so that windows begin where those of the strided network do.

    Args:
        pixels: of the side.
        rate: positions from one that the strided network has to the next one.
        taps: of the window.
        stride: in the strided network, with "same" padding.
        dilation: in the strided network.
        scale: of the window.
    """
    strided, reach = -(-pixels // rate), (taps - 1) * dilation
    total = max(0, (-(-strided // stride) - 1) * stride + reach + 1 - strided)
    return scale * (total // 2), scale * (reach - total // 2)


def _each(function: Callable[..., _T], *pairs: tuple[Any, Any]) -> tuple[_T, _T]:
    """A function of the parts of pairs: down, then across."""
    down, across = (function(*parts) for parts in zip(*pairs, strict=True))
    return down, across
