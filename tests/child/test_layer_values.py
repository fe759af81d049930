"""Layers of dense prediction against their definitions: values, and gradients as difference quotients."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.kinds.catalog import KINDS
from rl_nas.child.network.layer_call import LayerCall, LayerPullback
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.networks.layer import Layer
from rl_nas.networks.layers import (
    AveragePool,
    BatchNorm,
    Conv,
    CropImage,
    DepthwiseConv,
    FlattenLevels,
    GlobalAttention,
    GlobalPool,
    GridPool,
    Pair,
    Resize,
    SeparableConv,
)
from rl_nas.networks.plan import Plan

IMAGES = (2, 7, 9, 3)
RATES: list[Pair] = [(1, 1), (2, 1), (1, 3), (2, 3), (3, 2), (6, 6), (6, 8), (7, 2), (1, 9), (6, 21), (18, 15), (7, 9)]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def computed(
    layer: Layer, x: np.ndarray, *weights: np.ndarray, inputs: tuple[np.ndarray, ...] = ()
) -> tuple[np.ndarray, LayerPullback]:
    """The direct computation in training mode."""
    call = LayerCall(
        layer,
        weights=[tf.constant(weight) for weight in weights],
        moving=[],
        moved=[],
        training=True,
        of_batch=True,
        seed=None,
        step=None,
        constant=lambda value: tf.constant(value, tf.int32),
    )
    output, pullback = KINDS[type(layer)].compute(call, tf.constant(x), *map(tf.constant, inputs))
    return np.asarray(output), pullback


def output_of(layer: Layer, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    return computed(layer, x, *weights)[0]


def sampled(taps: int, rate: int, side: int) -> list[list[tuple[int, int]]]:
    """For each tap of an odd kernel, the (pixel out, pixel in) pairs inside a side."""
    offsets = [(tap - taps // 2) * rate for tap in range(taps)]
    return [[(out, out + offset) for out in range(side) if 0 <= out + offset < side] for offset in offsets]


def each_tap(size: int, rates: Pair, shape: tuple[int, ...], do: Callable[..., None]) -> None:
    for i, rows in enumerate(sampled(size, rates[0], shape[1])):
        for j, columns in enumerate(sampled(size, rates[1], shape[2])):
            for row_out, row_in in rows:
                for column_out, column_in in columns:
                    do((i, j), (slice(None), row_out, column_out), (slice(None), row_in, column_in))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("rates", RATES, ids=str)
def test_a_depthwise_convolution_is_a_sum_over_taps(rates: Pair, size: int) -> None:
    x, kernel, direction = normal(0, *IMAGES), normal(1, size, size, 3, 1), normal(2, *IMAGES)
    expected, to_x, to_kernel = (np.zeros(each.shape) for each in (x, x, kernel))

    def tap(at: Any, out: Any, inside: Any) -> None:
        weight = kernel[at][:, 0].astype(np.float64)
        expected[out] += x[inside] * weight
        to_x[inside] += direction[out] * weight
        to_kernel[at] += np.sum(direction[out] * x[inside], axis=0, dtype=np.float64)[:, np.newaxis]

    each_tap(size, rates, IMAGES, tap)
    found, pullback = computed(DepthwiseConv(size, rates), x, kernel)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    (gradient,), (of_kernel,) = pullback(tf.constant(direction))
    np.testing.assert_allclose(gradient, to_x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_kernel, to_kernel, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rates", [(7, 9), (21, 18), (1000, 10**6)], ids=str)
def test_rates_beyond_the_image_leave_the_center_tap(rates: Pair) -> None:
    x, kernel, direction = normal(0, *IMAGES), normal(1, 3, 3, 3, 1), normal(2, *IMAGES)
    found, pullback = computed(DepthwiseConv(3, rates), x, kernel)
    np.testing.assert_array_equal(found, x * kernel[1, 1, :, 0])
    _, (of_kernel,) = pullback(tf.constant(direction))
    assert np.count_nonzero(of_kernel) == np.count_nonzero(of_kernel[1, 1]) == 3


def test_dilated_convolutions_agree_from_kind_to_kind() -> None:
    """A dense kernel without weights across channels, and a 1x1 convolution that keeps the channels."""
    x = normal(0, *IMAGES)
    for rate in (2, 3, 6, 8, 9):
        kernel = normal(rate, 3, 3, 3, 1)
        alone = output_of(DepthwiseConv(3, (rate, rate)), x, kernel)
        dense = output_of(Conv(3, (3, 3), dilation=rate), x, kernel * np.eye(3, dtype=np.float32))
        identity = np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3)
        separable = output_of(SeparableConv(3, 3, dilation=rate), x, kernel, identity)
        np.testing.assert_allclose(dense, alone, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(separable, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("grid", [(1, 1), (2, 4), (4, 4), (7, 9), (3, 1), (8, 8), (5, 12)], ids=str)
def test_grid_pooling_averages_from_the_floor_to_the_ceiling(grid: Pair) -> None:
    x = normal(0, *IMAGES)
    found = output_of(GridPool(grid), x)
    _, height, width, _ = IMAGES
    for i in range(grid[0]):
        for j in range(grid[1]):
            rows = slice(math.floor(i * height / grid[0]), math.ceil((i + 1) * height / grid[0]))
            columns = slice(math.floor(j * width / grid[1]), math.ceil((j + 1) * width / grid[1]))
            np.testing.assert_allclose(found[:, i, j], x[:, rows, columns].mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("width", "strides"), [(1, (2, 2)), (1, (2, 3)), (1, (1, 2)), (3, (3, 1)), (3, (2, 1))], ids=str
)
def test_strides_over_a_side_of_one_skip_rows_and_columns(width: int, strides: Pair) -> None:
    x, kernel = normal(0, 2, 8, 9, 3), normal(1, 1, width, 3, 4)
    dense = output_of(Conv(4, (1, width)), x, kernel)
    found = output_of(Conv(4, (1, width), strides), x, kernel)
    np.testing.assert_allclose(found, dense[:, :: strides[0], :: strides[1]], rtol=1e-4, atol=1e-5)


def test_pooling_of_the_whole_image_is_its_mean() -> None:
    x = normal(0, *IMAGES)
    expected = output_of(GlobalPool(), x).reshape(2, 1, 1, 3)
    for layer in (GridPool((1, 1)), AveragePool(IMAGES[1:3])):
        np.testing.assert_allclose(output_of(layer, x), expected, rtol=1e-5, atol=1e-6)


def test_average_pooling_slides_inside_the_image() -> None:
    x = normal(0, *IMAGES)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(1, 2))
    np.testing.assert_allclose(output_of(AveragePool((3, 2)), x), windows.mean(axis=(-1, -2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(14, 18), (13, 17), (4, 5), (2, 2), (7, 9), (16, 3)], ids=str)
def test_aligned_corners_stay(size: Pair) -> None:
    x = normal(0, *IMAGES)
    found = output_of(Resize(size, align_corners=True), x)
    np.testing.assert_array_equal(found[:, [0, 0, -1, -1], [0, -1, 0, -1]], x[:, [0, 0, -1, -1], [0, -1, 0, -1]])


def test_aligned_pixels_stay_where_distances_are_multiplied() -> None:
    """Between n pixels are n - 1 distances: twice as many have 2 n - 1 pixels."""
    x = normal(0, *IMAGES)
    found = output_of(Resize((13, 25), align_corners=True), x)
    np.testing.assert_allclose(found[:, ::2, ::3], x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[:, 1::2, ::3], (x[:, 1:] + x[:, :-1]) / 2, rtol=1e-5, atol=1e-6)


def test_half_pixel_centers_mix_three_quarters_with_one() -> None:
    x = normal(0, 2, 5, 1, 3)
    found = output_of(Resize((10, 1)), x)
    np.testing.assert_allclose(found[:, [0, -1]], x[:, [0, -1]], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:-1:2], 0.75 * x[:, :-1] + 0.25 * x[:, 1:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 2:-1:2], 0.25 * x[:, :-1] + 0.75 * x[:, 1:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(14, 18), (13, 10), (8, 30), (3, 5), (7, 9), (1, 1)], ids=str)
def test_the_nearest_pixel_is_the_one_below_the_center(size: Pair) -> None:
    x = normal(0, *IMAGES)
    rows, columns = (
        [math.floor((i + 0.5) * pixels / new) for i in range(new)]
        for pixels, new in zip(IMAGES[1:3], size, strict=True)
    )
    np.testing.assert_array_equal(output_of(Resize(size, method="nearest"), x), x[:, rows][:, :, columns])


def test_the_nearest_pixels_of_twice_the_size_are_repeated() -> None:
    """And keep their places where the larger side is odd: the last one is not repeated then, but cut."""
    x = normal(0, *IMAGES)
    twice = x.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(output_of(Resize((14, 18), method="nearest"), x), twice)
    odd = output_of(Resize((13, 17), method="nearest"), x)
    assert np.mean(odd == twice[:, :13, :17]) > 0.2
    np.testing.assert_array_equal(odd[:, [0, -1]][:, :, [0, -1]], x[:, [0, -1]][:, :, [0, -1]])


def test_global_attention_weights_by_the_maximum() -> None:
    x, other = normal(0, *IMAGES), normal(1, *IMAGES)
    gate = 1 / (1 + np.exp(-x.max(axis=(1, 2), keepdims=True, initial=-np.inf)))
    output, pullback = attention(x, other)
    np.testing.assert_allclose(output, x + other * gate, rtol=1e-5, atol=1e-6)
    direction = normal(2, *IMAGES)
    (to_x, to_other), _ = pullback(tf.constant(direction))
    for gradient, place in ((to_x, 0), (to_other, 1)):
        step = 1e-2 * normal(3 + place, *IMAGES)
        moved = [
            attention(*(v + sign * step if n == place else v for n, v in enumerate((x, other))))[0] for sign in (1, -1)
        ]
        change = np.sum(np.multiply(direction, moved[0] - moved[1], dtype=np.float64)) / 2
        assert np.sum(np.multiply(gradient, step, dtype=np.float64)) == pytest.approx(change, rel=1e-3)


def attention(x: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, LayerPullback]:
    return computed(GlobalAttention(), x, inputs=(other,))


def test_flattened_levels_are_told_by_rows_columns_and_places() -> None:
    fine, coarse = normal(0, 2, 4, 3, 6), normal(1, 2, 2, 1, 6)
    flat = computed(FlattenLevels(3), fine, inputs=(coarse,))[0]
    assert flat.shape == (2, (4 * 3 + 2 * 1) * 2, 3)
    np.testing.assert_array_equal(flat[:, (2 * 3 + 1) * 2 + 1], fine[:, 2, 1, 3:])
    np.testing.assert_array_equal(flat[:, 4 * 3 * 2 + 2], coarse[:, 1, 0, :3])


@pytest.mark.parametrize(
    "layer", [GridPool((5, 4)), AveragePool((2, 5)), Resize((11, 4)), Resize((3, 30), True)], ids=repr
)
def test_means_of_equal_pixels_equal_them(layer: Layer) -> None:
    np.testing.assert_allclose(output_of(layer, np.full(IMAGES, 0.7, np.float32)), 0.7, rtol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        *(DepthwiseConv(3, rates) for rates in ((1, 1), (2, 5), (6, 1), (6, 21), (21, 21))),
        *(Conv(4, (3, 3), dilation=dilation, bias=True) for dilation in (1, 2, 8)),
        *(Conv(4, (1, 1), (2, 3)), Conv(4, (1, 3), (2, 1), bias=True)),
        *(AveragePool((3, 2)), GridPool((2, 4)), GridPool((8, 12)), CropImage((4, 9))),
        *(Resize(size, corners) for size in ((14, 18), (3, 5)) for corners in (False, True)),
        *(Resize(size, method="nearest") for size in ((14, 18), (13, 10), (3, 5))),
    ],
    ids=repr,
)
def test_gradients_are_difference_quotients(layer: Layer) -> None:
    """Each layer is linear in each argument: the quotients are exact for any step."""
    weights = layer.weights(IMAGES[1:])
    arguments = [normal(0, *IMAGES), *(normal(1, *weight.shape) for weight in weights)]
    output, pullback = computed(layer, *arguments)
    direction = normal(2, *output.shape)
    to_inputs, to_weights = pullback(tf.constant(direction))
    gradients = [*to_inputs, *to_weights]
    assert [tuple(gradient.shape) for gradient in gradients] == [argument.shape for argument in arguments]
    for place, gradient in enumerate(gradients):
        step = normal(3, *arguments[place].shape)
        moved = output_of(layer, *arguments[:place], arguments[place] + step, *arguments[place + 1 :])
        change = np.sum(np.multiply(direction, moved - output, dtype=np.float64))
        expected = np.sum(np.multiply(gradient, step, dtype=np.float64))
        scale = float(np.linalg.norm(direction) * np.linalg.norm(moved - output))
        assert change == pytest.approx(expected, abs=1e-5 * scale)


def normalized(frozen: bool) -> Plan:
    plan = Plan.of_image(IMAGES[1:])
    conv = plan.add(Conv(4, (1, 1)), plan.image, name="conv")
    middle = plan.add(BatchNorm(0.9, 1e-3), conv, name="middle")
    plan.outputs["out"] = plan.add(BatchNorm(0.9, 1e-3, frozen=frozen), middle, name="norm")
    return plan


def test_frozen_normalization_is_that_of_inference_and_stays() -> None:
    plan = normalized(frozen=True)
    assert plan.cost().other == 4 * 6
    model = PlannedModel(plan, seed=0)
    middle, statistics = slice(0, 8), slice(8, 24)  # of the vector of what is not trained
    other = np.concatenate([np.zeros(4), np.ones(4), normal(1, 8), 0.5 + np.abs(normal(2, 8))]).astype(np.float32)
    model.other.vector.assign(other)
    before = tf.constant(normal(3, *IMAGES))
    outputs, _, moved = model.train_call(model.trainable.vector.value, before)
    np.testing.assert_array_equal(moved[statistics], other[statistics])
    assert not np.any(np.equal(moved[middle], other[middle]))

    scale, offset, mean, variance = other[statistics].reshape(4, 4)
    batch = model.activations(before, BatchNorm)[0]
    expected = (batch - mean) / np.sqrt(variance + 1e-3) * scale + offset
    np.testing.assert_allclose(outputs["out"], expected, rtol=1e-4, atol=1e-5)
    free = PlannedModel(normalized(frozen=False), seed=0)
    free.trainable.vector.assign(np.concatenate([model.trainable.vector, scale, offset]))
    free.other.vector.assign(np.concatenate([other[middle], mean, variance]))
    np.testing.assert_allclose(free.infer(before)["out"], model.infer(before)["out"], rtol=1e-5, atol=1e-6)


def test_frozen_weights_are_in_keras_order() -> None:
    plan = normalized(frozen=True)
    keras = build_model(plan)
    assert [v.path for v in keras.non_trainable_variables] == [v.path for v in PlannedModel(plan).other.specs]
    assert [v.path for v in keras.trainable_variables] == ["conv/kernel", "middle/gamma", "middle/beta"]
