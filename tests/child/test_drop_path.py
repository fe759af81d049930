"""Scheduled drop path: the published rule, checked against expectations and frequencies."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import device_data, logits_model, objective

from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.network.flat_weights import FlatKerasModel
from rl_nas.child.network.keras_layers import ScheduledDropPath, TrainingFractionLayer
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.child_training import ChildTrainer
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.networks import layers
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.classification.head import ClassificationHead as Head


def test_nothing_is_dropped_outside_training() -> None:
    x = np.ones([8, 2, 2, 3], np.float32)
    np.testing.assert_array_equal(ScheduledDropPath(0.1, seed=0)(x, fraction=np.float32(1), training=False), x)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_whole_examples_are_dropped_as_often_as_the_schedule_says(progress: float) -> None:
    keep = 1 - progress * (1 - 0.6)
    x = np.full([4000, 2, 2, 3], 3.0, np.float32)
    y = np.asarray(ScheduledDropPath(0.6, seed=0)(x, fraction=np.float32(progress), training=True))
    kept = y[:, 0, 0, 0] > 0
    np.testing.assert_allclose(y[kept], 3.0 / keep, rtol=1e-5)
    assert np.all(y[~kept] == 0)
    assert abs(kept.mean() - keep) <= 5 * np.sqrt(keep * (1 - keep) / 4000)  # by chance once in 1.7 million


def test_progress_counts_training_calls_and_stops_at_one() -> None:
    clock = TrainingFractionLayer(4)
    image = np.zeros([1, 2, 2, 3], np.float32)
    assert [float(clock(image, training=True)) for _ in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert float(clock(image, training=False)) == 1
    assert int(clock.step) == 6


def test_keep_falls_from_cell_to_cell() -> None:
    """v3 of the released code: cell k of n keeps 1 - k/n * (1 - final), stem and reduction cells counted."""
    network = NetworkSettings(network="imagenet_large", cells=2, filters=8)
    plan = plan_network(NASNET_A, network, (97, 97, 3), Head(10), training_steps=100)
    keeps: dict[str, set[float]] = {}
    for node in plan.nodes:
        if isinstance(node.layer, layers.DropPath):
            keeps.setdefault(node.name.split(".block")[0], set()).add(node.layer.keep)
            assert ".identity." not in node.name
    cells = [*keeps]
    assert cells == [
        *("stem.reduction1", "stem.reduction2", "stage1.normal1", "stage1.normal2", "reduction1"),
        *("stage2.normal1", "stage2.normal2", "reduction2", "stage3.normal1", "stage3.normal2"),
    ]
    for number, cell in enumerate(cells, start=1):
        (keep,) = keeps[cell]
        assert keep == pytest.approx(1 - number / 10 * (1 - 0.7))


@pytest.mark.slow
def test_children_train_with_auxiliary_head_and_drop_path() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, [64, 20, 20, 1], np.uint8), rng.integers(0, 4, 64)
    data = device_data(ImageData(images, labels, images[:8], labels[:8], ("a", "b", "c", "d")))
    settings = TrainingSettings(epochs=2, batch_size=16)
    network = NetworkSettings(network="cifar", cells=1, filters=4, reductions=1)
    plan = plan_network(NASNET_A, network, (20, 20, 1), Head(4), training_steps=8)
    child = PlannedModel(plan, seed=0)
    before = {v.path: v.numpy() for v in child.trainable.specs}
    trainer = ChildTrainer(child, objective(4), data, settings, AugmentSettings(), seed=0)
    assert np.isfinite(trainer.train())
    assert child.counters[0].vector.numpy() == [8]
    for variable in child.trainable.specs:
        assert not np.array_equal(variable.numpy(), before[variable.path]), variable.path


def test_flat_steps_are_those_of_a_plain_loop_with_drop_path() -> None:
    """The same masks fall: the state of the random generators goes on from step to step in both."""
    plan = plan_network(
        NASNET_A, NetworkSettings(cells=1, filters=4, reductions=0, drop_path=0.5), (8, 8, 1), Head(4), 10
    )
    flat_model, plain = FlatKerasModel(build_model(plan, seed=3)), logits_model(plan, seed=3)
    images = tf.random.stateless_normal([4, 8, 8, 1], [0, 0])
    weights = flat_model.trainable.vector.value
    call = tf.function(lambda: flat_model.train_call(weights, images)[0]["logits"], autograph=False)
    for _ in range(3):
        np.testing.assert_allclose(call(), plain(images, training=True), rtol=1e-3, atol=1e-4)


def test_layers_survive_their_config() -> None:
    for layer in (ScheduledDropPath(0.7, seed=5, name="a"), TrainingFractionLayer(9, name="b")):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert again.get_config() == layer.get_config()
