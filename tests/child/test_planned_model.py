"""Children trained without Keras layers compute, learn and draw what their Keras models do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from classifying import BACKBONE_SPACES, objective
from watchdog import TIMEOUT

from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.child.training.train_step import TrainStep
from rl_nas.networks.layers import BatchNorm, Conv, Dense, GlobalPool, TrainingFraction
from rl_nas.networks.network import plan_network
from rl_nas.networks.operations import OPERATION_PLANS, Ops
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.tasks.classification.head import ClassificationHead as Head

BATCH, CLASSES = 8, 4
OBJECTIVE = objective(CLASSES)
SMALL = NetworkSettings(cells=1, filters=4, reductions=1)


def operation_plan(op: str, stride: int, filters: int, drop_path: bool) -> Plan:
    """A convolution, the operation, a classifier."""
    plan = Plan.of_image((9, 9, 2))
    ops = Ops(plan, BatchNorm(0.9, 1e-5))
    x = plan.add(Conv(4, (3, 3)), plan.image, name="stem")
    if drop_path:
        ops = Ops(plan, BatchNorm(0.9, 1e-5), plan.add(TrainingFraction(4), plan.image, name="progress"), keep=0.5)
    x = ops.apply(op, x, filters, stride)
    plan.outputs["logits"] = plan.add(Dense(CLASSES), plan.add(GlobalPool(), x, name="pool"), name="logits")
    return plan


def batch(plan: Plan, seed: int = 0, size: int = BATCH) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(size, *plan.image.shape)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, CLASSES, size))


def by_path(flat_model: FlatModel, vector: Any, trainable: bool = True) -> dict[str, np.ndarray]:
    pack = flat_model.trainable if trainable else flat_model.other
    return {variable.path: np.asarray(value) for variable, value in pack.mapping(tf.convert_to_tensor(vector))}


def assert_close(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], rtol: float) -> None:
    """Relative to the largest of all: what is 0 but for rounding has no digit to compare."""
    assert set(ours) == set(theirs)
    scale = max(np.abs(value).max() for value in theirs.values())
    for path, value in theirs.items():
        np.testing.assert_allclose(ours[path], value, rtol=rtol, atol=rtol * scale, err_msg=path)


def one_pass(flat_model: FlatModel, images: tf.Tensor, labels: tf.Tensor) -> tuple[Any, ...]:
    """Logits in training mode, gradient, moving statistics, logits in inference mode."""
    weights = flat_model.trainable.vector.value
    outputs, pullback, other = flat_model.train_call(weights, images)
    logits = outputs["logits"]
    gradient = pullback({"logits": (tf.nn.softmax(logits) - tf.one_hot(labels, CLASSES)) / BATCH})
    inferred = flat_model.call(weights, other, images)["logits"]
    return logits, by_path(flat_model, gradient), by_path(flat_model, other, trainable=False), inferred


@pytest.mark.parametrize("drop_path", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("op", OPERATION_PLANS)
def test_every_operation_computes_and_learns_as_its_keras_layers(op: str, stride: int, drop_path: bool) -> None:
    plan = operation_plan(op, stride, 8, drop_path)
    ours, theirs = PlannedModel(plan, seed=5), FlatKerasModel(build_model(plan, seed=5))
    assert_close(by_path(ours, ours.trainable.vector), by_path(theirs, theirs.trainable.vector), rtol=0)
    for number in range(3 if drop_path else 1):  # masks go on from step to step
        mine, keras = (one_pass(flat_model, *batch(plan, number)) for flat_model in (ours, theirs))
        np.testing.assert_allclose(mine[0], keras[0], rtol=1e-4, atol=1e-5)
        assert_close(mine[1], keras[1], rtol=1e-4)
        assert_close(mine[2], keras[2], rtol=1e-5)
        np.testing.assert_allclose(mine[3], keras[3], rtol=1e-4, atol=1e-5)


def network_plan(name: str, settings: NetworkSettings = SMALL) -> Plan:
    """A random network of a space, or one of published cells."""
    if name in PUBLISHED:
        return plan_network(PUBLISHED[name], settings, (12, 12, 2), Head(CLASSES), training_steps=12)
    space = find_space(SpaceSettings(space=name, layers=5))
    genotype = space.decode(space.sample(np.random.default_rng(1)))
    settings = NetworkSettings() if name == "nas_rl" else settings  # a chain has neither cells nor filters
    return plan_network(genotype, settings, (12, 12, 2), Head(CLASSES), training_steps=12)


def losses(flat_model: FlatModel, plan: Plan, training: TrainingSettings, steps: int = 4) -> list[float]:
    step = TrainStep(flat_model, OBJECTIVE, training, BATCH, 12)
    return [float(step(*batch(plan, seed=number))[0]) for number in range(steps)]


# Small steps: large ones blow the rounding of floats up, between two runs of Keras on other machines just as much.
GENTLE = TrainingSettings(epochs=1, learning_rate=0.001, weight_decay=0.01)


@pytest.mark.parametrize("name", [*BACKBONE_SPACES, "NASNet-A", "AmoebaNet-A", "ENAS-micro"])
def test_loss_curves_are_those_of_the_keras_model(name: str) -> None:
    plan = network_plan(name)
    curve = losses(PlannedModel(plan, seed=2), plan, GENTLE)
    assert curve == pytest.approx(losses(FlatKerasModel(build_model(plan, seed=2)), plan, GENTLE), rel=1e-3)
    assert len(set(curve)) == len(curve)


@pytest.mark.parametrize("combine", ["add", "concat"])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_both_combiners_with_drop_path_dropout_and_l2(combine: str, decay: float) -> None:
    space = find_space(SpaceSettings(blocks=2))
    rng = np.random.default_rng(0)
    genotypes = (space.decode(space.sample(rng)) for _ in range(1000))
    genotype = next(g for g in genotypes if {b.combine for c in (g.normal, g.reduction) for b in c.blocks} == {combine})
    settings = NetworkSettings(cells=1, filters=4, reductions=1, drop_path=0.5, dropout=0.3)
    plan = plan_network(genotype, settings, (12, 12, 2), Head(CLASSES), training_steps=12)
    training = TrainingSettings(epochs=1, learning_rate=0.001, weight_decay=decay)
    ours, theirs = PlannedModel(plan, seed=2), FlatKerasModel(build_model(plan, seed=2))
    assert losses(ours, plan, training) == pytest.approx(losses(theirs, plan, training), rel=1e-3)
    assert_close(by_path(ours, ours.trainable.vector), by_path(theirs, theirs.trainable.vector), rtol=1e-3)


def test_auxiliary_heads_and_averages() -> None:
    settings = NetworkSettings(network="cifar", cells=1, filters=4, reductions=1)
    plan = plan_network(PUBLISHED["NASNet-A"], settings, (20, 20, 2), Head(CLASSES), training_steps=12)
    training = TrainingSettings(epochs=1, optimizer="rmsprop", learning_rate=0.0003, ema_decay=0.9)
    curves = []
    for flat_model in (PlannedModel(plan, seed=2), FlatKerasModel(build_model(plan, seed=2))):
        step = TrainStep(flat_model, OBJECTIVE, training, BATCH, 12)
        curves.append([float(step(*batch(plan, seed=number))[0]) for number in range(3)])
        step.write_back()
        curves[-1].append(float(np.abs(flat_model.trainable.vector.numpy()).sum()))
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


@pytest.mark.long
def test_xla_computes_the_same() -> None:
    plan = network_plan("ENAS-micro")
    curves = []
    for compiled in (False, True):
        step = TrainStep(PlannedModel(plan, seed=2), OBJECTIVE, GENTLE, BATCH, 12)
        train = tf.function(step, autograph=False, jit_compile=compiled)
        curves.append([float(train(*batch(plan, seed=number))[0]) for number in range(3)])
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


REPLICAS = """
import sys, json
import tensorflow as tf
sys.path[:0] = sys.argv[2:]
from test_planned_model import BATCH, GENTLE, OBJECTIVE, NetworkSettings, batch, network_plan
from rl_nas.child.training.devices import make_distribution
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.settings import DeviceSettings
from rl_nas.child.training.train_step import TrainStep

replicas = int(sys.argv[1])
strategy = make_distribution(DeviceSettings(distribute="mirrored" if replicas > 1 else "one", logical_cpus=replicas))
assert strategy.num_replicas_in_sync == replicas

def curve(name, traced):
    plan = network_plan(name)
    with strategy.scope():
        step = TrainStep(PlannedModel(plan, seed=2), OBJECTIVE, GENTLE, replicas * BATCH, 12)
    mean = lambda *batch: strategy.reduce("MEAN", strategy.run(step, args=batch)[0], axis=None)
    train = tf.function(mean, autograph=False) if traced else mean
    return [float(train(*batch(plan, seed=number))) for number in range(3)]

names = ("nasnet", "ENAS-micro", "nasbench201")
curves, untraced = ([curve(name, traced) for name in names] for traced in (True, False))
plan = network_plan("ENAS-micro", NetworkSettings(cells=1, filters=4, reductions=1, drop_path=0.5))
with strategy.scope():
    dropping = PlannedModel(plan, seed=2)
    step = TrainStep(dropping, OBJECTIVE, GENTLE, replicas * BATCH, 12)
train_call = lambda images: dropping.train_call(dropping.trainable.vector.value, images)[0]["logits"]
outputs = tf.function(train_call, autograph=False)
first = strategy.experimental_local_results(strategy.run(outputs, args=(batch(plan)[0],)))
for _ in range(8):  # masks fall more and more often
    later = strategy.experimental_local_results(strategy.run(outputs, args=(batch(plan)[0],)))
same = [bool(tf.reduce_all(one == values[0])) for values in (first, later) for one in values[1:]]
steps = int(dropping.counters[0].vector.numpy()[0])
print(json.dumps({"curves": curves, "untraced": untraced, "same": same, "steps": steps}))
"""


@pytest.mark.long
def test_two_devices_with_a_batch_each_are_one_device_with_it() -> None:
    words = [sys.executable, "-c", REPLICAS]
    here = [str(Path(__file__).parents[n]) for n in (0, 1)]
    printed = [
        subprocess.run([*words, count, *here], check=True, capture_output=True, text=True, timeout=TIMEOUT).stdout
        for count in ("1", "2")
    ]
    one, two = (json.loads(text.splitlines()[-1]) for text in printed)
    np.testing.assert_allclose(two["curves"], one["curves"], rtol=1e-3)
    for run in (one, two):  # one architecture after the other, as an input like the images
        np.testing.assert_allclose(run["untraced"], run["curves"], rtol=1e-3)
    assert one["steps"] == two["steps"] == 9
    assert two["same"] == [True, False]  # at first no path is dropped; later each device drops its own
