"""Our NASNet-A is that of keras.applications: the same weights give the same outputs."""

from typing import Any

import keras
import numpy as np
import pytest
from classifying import logits_model
from keras.src.applications.nasnet import NASNet  # the generic builder is not exported

from rl_nas.child.network.keras_applications import copy_nasnet_weights
from rl_nas.errors import UsageError
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.classification.head import ClassificationHead as Head


def ours(classes: int, pixels: int, **settings: Any) -> keras.Model:
    network = NetworkSettings(**{"zero_padded_pools": True, **settings})
    return logits_model(plan_network(NASNET_A, network, (pixels, pixels, 3), Head(classes)))


def disturbed(model: keras.Model) -> keras.Model:
    """With random normalization: fresh ones would not show mistakes in it."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, beta, mean = rng.uniform(0.5, 1.5, shape), rng.normal(0, 0.1, shape), rng.normal(0, 0.1, shape)
            layer.set_weights([gamma, beta, mean, np.ones(shape)])
    return model


def theirs(**arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    return disturbed(NASNet(filter_multiplier=2, weights=None, classifier_activation=None, **arguments))


def assert_same_outputs(one: keras.Model, other: keras.Model, pixels: int) -> None:
    images = np.random.default_rng(1).uniform(-1, 1, [2, pixels, pixels, 3]).astype(np.float32)
    expected = np.asarray(one(images, training=False))
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(other(images, training=False), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "counts"),
    [
        (
            {"penultimate_filters": 576, "num_blocks": 1, "stem_block_filters": 72, "skip_reduction": False},
            (476_620, 7_956),
        ),
        (
            {"penultimate_filters": 768, "num_blocks": 2, "stem_block_filters": 96, "skip_reduction": True},
            (1_299_346, 16_112),
        ),
    ],
)
@pytest.mark.slow
def test_small_nasnets_agree(arguments: dict[str, Any], counts: tuple[int, int]) -> None:
    """Cells after a reduction read what they should with and without `skip_reduction_input`; even and odd sizes."""
    cells, channels = arguments["num_blocks"], arguments["penultimate_filters"]
    pixels = 64 if cells == 1 else 97
    model = ours(
        10,
        pixels,
        network="imagenet_mobile",
        size=f"{cells}@{channels}",
        stem_multiplier=arguments["stem_block_filters"] / 32,
        skip_reduction_input=arguments["skip_reduction"],
    )
    source = theirs(**arguments, input_shape=(pixels, pixels, 3), classes=10)
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert (trainable, model.count_params() - trainable) == counts
    copy_nasnet_weights(source, model, cells=cells, classifier=Head.classifier)
    assert_same_outputs(source, model, pixels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "application", "cells", "pixels"),
    [
        ("imagenet_mobile", keras.applications.NASNetMobile, 4, 224),
        pytest.param("imagenet_large", keras.applications.NASNetLarge, 6, 331, marks=pytest.mark.long),
    ],
)
def test_published_nasnets_agree(preset: str, application: Any, cells: int, pixels: int) -> None:
    keras.utils.set_random_seed(0)
    source = disturbed(application(weights=None, classifier_activation=None))
    model = ours(1000, pixels, network=preset)
    copy_nasnet_weights(source, model, cells=cells, classifier=Head.classifier)
    assert_same_outputs(source, model, pixels)


@pytest.mark.long
def test_another_size_is_refused() -> None:
    source = theirs(
        penultimate_filters=576, num_blocks=1, stem_block_filters=32, skip_reduction=False, input_shape=(64, 64, 3)
    )
    with pytest.raises(UsageError, match="give both the same size"):
        copy_nasnet_weights(source, ours(10, 64, network="imagenet_mobile", size="1@1056"), cells=1, classifier=None)
    with pytest.raises(UsageError, match="has no layer"):
        copy_nasnet_weights(source, ours(10, 64, network="imagenet_mobile", size="2@576"), cells=2, classifier=None)
