"""The values that weights start from."""

import math

import keras
import numpy as np
import pytest

from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.parameters import initial_kernel
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.networks.layers import Conv
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead as Head


@pytest.mark.parametrize("shape", [(3, 3, 64, 64), (5, 5, 800, 1), (1, 1, 128, 256), (300, 100)])
def test_kernels_are_distributed_as_by_keras(shape: tuple[int, ...]) -> None:
    keras_values = keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal", seed=1)(shape)
    ours, theirs = np.ravel(initial_kernel(shape, 1)), np.ravel(keras_values)
    assert ours.dtype == np.float32
    deviation = np.sqrt(2 / (np.prod(shape[:-2]) * shape[-1]))
    assert np.mean(ours) == pytest.approx(0, abs=5 * deviation / np.sqrt(len(ours)))
    assert np.std(ours) == pytest.approx(deviation, rel=0.02)
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)
    # Largest distance of the two distributions (Kolmogorov and Smirnov), against that of chance at 1 in 1,000.
    both = np.sort(np.concatenate([ours, theirs]))
    below = [np.searchsorted(np.sort(values), both, side="right") / len(values) for values in (ours, theirs)]
    assert np.abs(below[0] - below[1]).max() < 1.95 * np.sqrt(2 / len(ours))


def test_kernels_are_functions_of_their_seed() -> None:
    first, again, other = (initial_kernel((3, 3, 4, 4), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.99


def test_a_deviation_and_a_constant_are_as_asked_for() -> None:
    """In Keras, too: a layer of a detector starts with rare classes."""
    plan = Plan.of_image((4, 4, 32))
    conv = Conv(64, (3, 3), bias=True, initial_bias=-math.log(99), deviation=0.01)
    plan.outputs["out"] = plan.add(conv, plan.image, name="conv")
    ours = {parameter.path: parameter.numpy() for parameter in PlannedModel(plan, seed=3).trainable.specs}
    assert np.std(ours["conv/kernel"]) == pytest.approx(0.01, rel=0.02)
    np.testing.assert_allclose(1 / (1 + np.exp(-ours["conv/bias"])), 0.01, rtol=1e-5)
    for variable in build_model(plan, seed=3).trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), ours[variable.path])


def test_keras_models_and_children_start_alike() -> None:
    settings = NetworkSettings(network="cifar", cells=1, filters=4)
    plan = plan_network(PUBLISHED["NASNet-A"], settings, (32, 32, 3), Head(10), training_steps=10)
    model, child = build_model(plan, seed=3), PlannedModel(plan, seed=3)
    values = {variable.path: variable.numpy() for variable in model.trainable_variables}
    assert set(values) == {parameter.path for parameter in child.trainable.specs}
    for parameter in child.trainable.specs:
        np.testing.assert_array_equal(parameter.numpy(), values[parameter.path])
    assert np.std(values["head.logits/kernel"]) > 0
