"""Images of another size: grid pooling and bilinear interpolation, linear maps of rows and of columns."""

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


def _interpolating(places: np.ndarray, pixels: int) -> np.ndarray:
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, np.newaxis] - np.arange(pixels))), np.float32)


def _grid_pool(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    batch, height, width, channels = x.shape
    cells = call.layer.grid[0]
    of_rows, of_columns = map(_averaging, (height, width), call.layer.grid)

    def shaped(tensor: tf.Tensor, *shape: int) -> tf.Tensor:
        return tf.reshape(tensor, call.constant((batch, *shape)))

    def pullback(gradient: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        to_rows = shaped(tf.raw_ops.BatchMatMulV2(x=of_columns, y=gradient, adj_x=True), cells, width * channels)
        return [shaped(tf.raw_ops.BatchMatMulV2(x=of_rows, y=to_rows, adj_x=True), height, width, channels)], []

    rows = tf.raw_ops.BatchMatMulV2(x=of_rows, y=shaped(x, height, width * channels))
    return tf.raw_ops.BatchMatMulV2(x=of_columns, y=shaped(rows, cells, width, channels)), pullback


def _resize(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
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
        return _keras_maps(_half_pixel, layer.size, site)
    # Not the layer of Keras: behind it, a model that is called as `model(x)` would run in training mode.
    return lambda x: keras.ops.image.resize(x, layer.size, interpolation="bilinear")


GRID_POOL = LayerKind(
    layers.GridPool,
    # AdaptiveAveragePooling2D cannot be traced where a cell is a whole side.
    keras=lambda layer, site: _keras_maps(_averaging, layer.grid, site),
    compute=_grid_pool,
)
RESIZE = LayerKind(layers.Resize, keras=_keras_resize, compute=_resize)
