"""Built Keras models against their plans, and layers against their definitions."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import logits_model

from rl_nas.networks.layers import BatchNorm
from rl_nas.networks.network import plan_network
from rl_nas.networks.operations import OPERATION_PLANS, Ops
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.nasnet import nasnet
from rl_nas.tasks.classification.head import ClassificationHead as Head


def sampled(seed: int, blocks: int = 5) -> CellGenotype:
    return nasnet(blocks).decode(nasnet(blocks).sample(np.random.default_rng(seed)))


def madds_of_keras(model: keras.Model) -> int:
    """Multiply-adds from the kernels and output shapes of the Keras layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.SeparableConv2D):
            _, height, width, _ = layer.output.shape
            weights = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
            total += weights * height * width
        elif isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += math.prod(layer.kernel.shape) * height * width
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total


def planned_operation(op: str, size: int, channels: int, filters: int, stride: int) -> Plan:
    plan = Plan.of_image((size, size, channels))
    plan.outputs["logits"] = Ops(plan, BatchNorm(0.9, 1e-5)).apply(op, plan.image, filters, stride)
    return plan


@pytest.mark.parametrize(("seed", "size", "channels"), [(0, 8, 1), (1, 9, 3), (2, 7, 4), (3, 17, 3), (4, 5, 1)])
def test_model_is_what_was_planned(seed: int, size: int, channels: int) -> None:
    network = NetworkSettings(cells=1 + seed % 2, filters=4 + seed, skip_reduction_input=bool(seed % 2))
    plan = plan_network(sampled(seed), network, (size, size, channels), Head(5))
    model = logits_model(plan)
    cost = plan.cost()
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == cost.trainable
    assert sum(math.prod(v.shape) for v in model.non_trainable_variables) == cost.other
    assert madds_of_keras(model) == cost.madds
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    for node in plan.nodes:
        if node.name in shapes and node.output.size != (1, 1):
            assert shapes[node.name] == node.output.shape, node.name


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("op", OPERATION_PLANS)
def test_operation_gives_the_planned_shape(op: str, stride: int, size: int) -> None:
    plan = planned_operation(op, size, 3, 6, stride)
    halved = math.ceil(size / stride)
    assert plan.outputs["logits"].shape == (halved, halved, 6)
    assert logits_model(plan)(np.ones([2, size, size, 3], np.float32)).shape == (2, halved, halved, 6)


@pytest.mark.parametrize("size", [7, 8, 9, 33])
def test_reduction_cells_halve_odd_sizes_too(size: int) -> None:
    plan = plan_network(sampled(0), NetworkSettings(cells=1, filters=4, reductions=2), (size, size, 3), Head(10))
    last = {node.name.split(".")[0]: node.output.size for node in plan.nodes}
    assert last["stage2"] == (math.ceil(size / 2),) * 2
    assert last["stage3"] == (math.ceil(math.ceil(size / 2) / 2),) * 2


@pytest.mark.parametrize("size", [8, 9])
def test_strided_dilated_convolution_is_the_dilated_one_at_even_pixels(size: int) -> None:
    model = logits_model(planned_operation("dil_conv_3x3", size, 3, 6, stride=2))
    image = np.random.default_rng(0).normal(size=[2, size, size, 3]).astype(np.float32)
    conv = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    dilated = tf.nn.conv2d(tf.nn.relu(image), conv.kernel.value, 1, "SAME", dilations=2)
    np.testing.assert_allclose(model(image), norm(dilated[:, ::2, ::2]), atol=1e-5)


@pytest.mark.parametrize("size", [8, 9])
def test_factorized_reduction_reads_even_and_odd_pixels(size: int) -> None:
    plan = Plan.of_image((size, size, 3))
    plan.outputs["logits"] = Ops(plan, BatchNorm(0.9, 1e-5)).factorized_reduction(plan.image, 5)
    model = logits_model(plan)
    image = np.random.default_rng(0).normal(size=[2, size, size, 3]).astype(np.float32)
    even, odd = (layer.kernel.numpy()[0, 0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    padded = np.pad(image, [(0, 0), (0, 1), (0, 1), (0, 0)])
    half = math.ceil(size / 2)
    shifted = padded[:, 1::2, 1::2][:, :half, :half]
    expected = np.concatenate([image[:, ::2, ::2] @ even, shifted @ odd], axis=-1) / math.sqrt(1 + 1e-5)
    np.testing.assert_allclose(model(image), expected, atol=1e-5)


def test_average_pooling_does_not_count_padding() -> None:
    model = logits_model(planned_operation("avg_pool_3x3", 4, 2, 2, stride=1))
    ones = np.ones([1, 4, 4, 2], np.float32)
    np.testing.assert_allclose(model(ones), ones, atol=1e-6)


def test_weights_are_a_function_of_the_seed() -> None:
    plan = plan_network(sampled(0, blocks=1), NetworkSettings(cells=1, filters=4), (8, 8, 3), Head(10))
    first, again, other = (logits_model(plan, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_every_sample_builds_and_learns(seed: int) -> None:
    """Finite outputs, and a gradient for every variable: no block of a sampled cell is dead."""
    blocks = 1 + seed % 5
    plan = plan_network(sampled(100 + seed, blocks), NetworkSettings(cells=1, filters=4), (9, 9, 3), Head(10))
    model = logits_model(plan, seed=seed)
    images = tf.random.stateless_normal([4, 9, 9, 3], [0, seed])
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits**2)
    assert np.all(np.isfinite(logits))
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert all(g is not None and np.any(g.numpy() != 0) for g in gradients)
