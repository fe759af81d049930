"""Images of another size: grid pooling and interpolation, linear maps of rows and of columns."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.network.kinds.kind import LayerKind, Site
from rl_nas.child.network.layer_call import LayerCall, LayerPullback
from rl_nas.networks import layers

Matrices = Callable[[int, int], np.ndarray]
"""Pixels of a side before and after -> the matrix [after, before] of a linear map of the side."""


def _averaging(pixels: int, cells: int) -> np.ndarray:
    """Means over the cells of a grid."""
    cell, pixel = np.arange(cells)[:, np.newaxis], np.arange(pixels)
    inside = (pixel >= cell * pixels // cells) & (pixel < -(-(cell + 1) * pixels // cells))
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), np.float32)


def _half_pixel(pixels: int, size: int) -> np.ndarray:
    """Linear interpolation that keeps the outer edges of the first and the last pixel."""
    places = (np.arange(size) + 0.5) * pixels / size - 0.5
    return _interpolating(np.clip(places, 0, pixels - 1), pixels)


def _aligned(pixels: int, size: int) -> np.ndarray:
    """Linear interpolation that keeps the centers of the first and the last pixel."""
    return _interpolating(np.linspace(0, pixels - 1, size), pixels)


def _nearest(pixels: int, size: int) -> np.ndarray:
    """The pixel below each center."""
    below = (2 * np.arange(size) + 1) * pixels // (2 * size)
    return np.asarray(below[:, np.newaxis] == np.arange(pixels), np.float32)


def _interpolating(places: np.ndarray, pixels: int) -> np.ndarray:
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, np.newaxis] - np.arange(pixels))), np.float32)


def _mapped(call: LayerCall, x: tf.Tensor, matrix: Matrices, size: layers.Pair) -> tuple[tf.Tensor, LayerPullback]:
    """A linear map of rows and of columns."""
    batch, height, width, channels = x.shape
    of_rows, of_columns = map(matrix, (height, width), size)

    def shaped(tensor: tf.Tensor, *shape: int) -> tf.Tensor:
        return tf.reshape(tensor, call.constant((batch, *shape)))

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        to_rows = shaped(tf.raw_ops.BatchMatMulV2(x=of_columns, y=gradient, adj_x=True), size[0], width * channels)
        return [shaped(tf.raw_ops.BatchMatMulV2(x=of_rows, y=to_rows, adj_x=True), height, width, channels)], []

    rows = tf.raw_ops.BatchMatMulV2(x=of_rows, y=shaped(x, height, width * channels))
    return tf.raw_ops.BatchMatMulV2(x=of_columns, y=shaped(rows, size[0], width, channels)), pullback


def _resize(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    if call.layer.method == "nearest":  # XLA has no gradient of TensorFlow's operation
        return _mapped(call, x, _nearest, call.layer.size)
    corners = call.layer.align_corners
    how = {"align_corners": corners, "half_pixel_centers": not corners}

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        return [tf.raw_ops.ResizeBilinearGrad(grads=gradient, original_image=x, **how)], []

    return tf.raw_ops.ResizeBilinear(images=x, size=call.constant(call.layer.size), **how), pullback


def _keras_maps(matrix: Matrices, size: layers.Pair, site: Site) -> Callable[[Any], Any]:
    # One einsum: TFLite cannot run two in a row, and its int8 product of a constant and a tensor is wrong.
    height, width, _ = site.node.inputs[0].shape
    of_rows, of_columns = matrix(height, size[0]), matrix(width, size[1])
    return lambda x: keras.ops.einsum("ih,jw,bhwc->bijc", of_rows, of_columns, x)


def _keras_resize(layer: layers.Resize, site: Site) -> Callable[..., Any]:
    height, width, _ = site.node.inputs[0].shape
    if layer.align_corners:
        return _keras_maps(_aligned, layer.size, site)
    if layer.size[0] % height or layer.size[1] % width:
        # In ONNX, tf2onnx rounds other ratios: 5 pixels become 8 where they should become 9.
        return _keras_maps(_half_pixel if layer.method == "bilinear" else _nearest, layer.size, site)
    # Not the layer of Keras: behind it, a model that is called as `model(x)` would run in training mode.
    return lambda x: keras.ops.image.resize(x, layer.size, interpolation=layer.method)


GRID_POOL = LayerKind(
    layers.GridPool,
    # AdaptiveAveragePooling2D cannot be traced where a cell is a whole side.
    keras=lambda layer, site: _keras_maps(_averaging, layer.grid, site),
    compute=lambda call, x: _mapped(call, x, _averaging, call.layer.grid),
    narrow=False,
)
RESIZE = LayerKind(layers.Resize, keras=_keras_resize, compute=_resize, narrow=False)
