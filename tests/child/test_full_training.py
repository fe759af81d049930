"""Steps on one and on several devices, in other precisions, and a trainer that goes on as if it had not stopped."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import LABELS, image_source, named_logits, objective
from watchdog import TIMEOUT

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.settings import AugmentSettings, DataSettings, InputPipelineSettings
from rl_nas.child.export.serving import load_weights
from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.checkpoints import Checkpoints
from rl_nas.child.training.devices import layers_in
from rl_nas.child.training.full_training import FullTrainer
from rl_nas.child.training.settings import DeviceSettings, TrainingSettings
from rl_nas.errors import UsageError
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.tasks.classification.objective import ClassificationMetric

EDGES = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
TESTS = str(Path(__file__).parents[1])
SOURCE = DataSettings(dataset="digits", valid_images=97)
PLAN = plan_network(EdgeCell.from_string(EDGES), NetworkSettings(cells=1, filters=4), (8, 8, 1), Head(10), 42)

REPLICAS = """
import sys
sys.path.insert(0, sys.argv[4])
import keras, numpy as np, tensorflow as tf
from classifying import named_logits, objective
from rl_nas.child.training.devices import make_distribution
from rl_nas.child.training.settings import DeviceSettings, TrainingSettings
from rl_nas.child.network.flat_weights import FlatKerasModel
from rl_nas.child.training.train_step import TrainStep

replicas, scale, path = int(sys.argv[1]), sys.argv[2] == "scaled", sys.argv[3]
strategy = make_distribution(
    DeviceSettings(distribute="mirrored" if replicas > 1 else "one", logical_cpus=replicas)
)
assert strategy.num_replicas_in_sync == replicas
model = keras.Sequential([
    keras.Input((6, 6, 1)),
    keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer=keras.initializers.HeNormal(seed=1)),
    keras.layers.Flatten(),
    keras.layers.Dense(5, kernel_initializer=keras.initializers.HeNormal(seed=2)),
])
rng = np.random.default_rng(0)
images, labels = rng.normal(size=(1, 12, 6, 6, 1)).astype("float32"), rng.integers(0, 5, (1, 12))
images, labels = (np.repeat(x, 6, axis=0) for x in (images, labels))
model = named_logits(model)

def trained(optimizer, rate):
    training = TrainingSettings(
        epochs=1, batch_size=12, clip_norm=0.5, ema_decay=0.9, weight_decay=0.01, optimizer=optimizer,
        learning_rate=rate, precision="float16" if scale else "float32"
    )
    factors = np.linspace(0.1, 1, model.count_params(), dtype=np.float32)
    with strategy.scope():
        step = TrainStep(FlatKerasModel(model), objective(5), training, 12, 6, factors=factors)

    @tf.function(autograph=False)
    def train(images, labels):
        losses, figures = strategy.run(step, args=(images, labels))
        return strategy.reduce("MEAN", losses, axis=None), strategy.reduce("SUM", figures["accuracy"], axis=None)

    losses = []
    for x, y in zip(images, labels):
        halves = [[tf.constant(half) for half in np.split(whole, replicas)] for whole in (x, y)]
        values = [strategy.experimental_distribute_values_from_function(
            lambda context, part=part: part[context.replica_id_in_sync_group]) for part in halves]
        losses.append([float(value) for value in train(*values)])
    return {
        f"{optimizer} losses": losses,
        f"{optimizer} weights": step.model.trainable.vector.numpy(),
        f"{optimizer} average": step.averages[0].value.numpy(),
    }

np.savez(path, **trained("sgd", 0.1), **trained("adamw", 0.01))
"""


@pytest.mark.long
def test_two_replicas_are_one_and_a_scaled_loss_is_the_loss(tmp_path: Path) -> None:
    runs = {}
    for name, words in {"one": ("1", "plain"), "two": ("2", "plain"), "scaled": ("2", "scaled")}.items():
        path = tmp_path / f"{name}.npz"
        subprocess.run([sys.executable, "-c", REPLICAS, *words, str(path), TESTS], check=True, timeout=TIMEOUT)
        runs[name] = np.load(path)
    for key in runs["one"]:
        for name in ("two", "scaled"):
            np.testing.assert_allclose(runs[name][key], runs["one"][key], rtol=1e-4, atol=1e-6, err_msg=f"{name} {key}")
    for optimizer in ("sgd", "adamw"):
        losses = runs["one"][f"{optimizer} losses"][:, 0]
        assert losses[-1] < losses[0]


@pytest.fixture(scope="module")
def pipeline() -> InputPipeline:
    return InputPipeline(image_source(SOURCE), InputPipelineSettings(), seed=0)


def make(
    pipeline: InputPipeline,
    name: str = "float32",
    loop: int = 20,
    varied: bool = True,
    keras_model: Callable[[], keras.Model] | None = None,
    **training: object,
) -> FullTrainer:
    settings = TrainingSettings(**{"epochs": 3, "batch_size": 100, "precision": name, **training})  # type: ignore[arg-type]

    def flat_network() -> FlatModel:
        if keras_model is None:
            return PlannedModel(PLAN, seed=1, precision=name)
        with layers_in(name):
            return FlatKerasModel(keras_model())

    return FullTrainer(
        flat_network,
        pipeline,
        pipeline.normalization(),
        objective(10),
        settings,
        AugmentSettings(crop_margin=1 if varied else 0),
        DeviceSettings(steps_per_loop=loop),
        annotation=LABELS,
        metric=lambda: ClassificationMetric(10),
        strategy=tf.distribute.get_strategy(),
        mixup=0.1 if varied else 0.0,
    )


def train(trainer: FullTrainer, epochs: int = 3) -> None:
    while trainer.epoch < epochs:
        for _ in trainer.train_epoch():
            pass


@pytest.mark.parametrize("optimizer", ["rmsprop", pytest.param("adamw", marks=pytest.mark.long)])
def test_a_trainer_goes_on_as_if_it_had_not_stopped(optimizer: str, pipeline: InputPipeline, tmp_path: Path) -> None:
    options = {"ema_decay": 0.9, "optimizer": optimizer, "learning_rate": 0.02}
    unbroken, stopped, resumed = (make(pipeline, loop=4, **options) for _ in range(3))
    train(unbroken)
    train(stopped, 1)
    next(progress for progress in stopped.train_epoch() if progress.step == 22)  # in mid-epoch
    Checkpoints(stopped.state, str(tmp_path), keep=1).save(stopped.step)
    assert Checkpoints(resumed.state, str(tmp_path), keep=1).restore(print)
    assert resumed.step == 22
    train(resumed)
    assert unbroken.measure("valid") == resumed.measure("valid")
    for name in ("weights", "optimizer", "averages"):
        for one, other in zip(unbroken.state[name], resumed.state[name], strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=f"{name} {one.name}")


def test_a_checkpoint_of_another_network_is_refused(pipeline: InputPipeline, tmp_path: Path) -> None:
    trainer = make(pipeline)
    Checkpoints(trainer.state, str(tmp_path), keep=1).save(0)
    other = {"weights": [keras.Variable(np.zeros(3, np.float32))]}
    with pytest.raises(UsageError, match="is not a checkpoint of this training"):
        Checkpoints(other, str(tmp_path), keep=1).restore(print)


def test_steps_that_get_their_images_late_have_waited(pipeline: InputPipeline) -> None:
    """By a part of the time that they took, which is most of it where an image takes longer than a step."""

    class Slow(InputPipeline):
        def train(self, *args: Any, **kwargs: Any) -> tf.data.Dataset:
            work = tf.random.stateless_uniform([1500, 1500], [1, 2])

            def late(images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                nothing = 0 * tf.reduce_sum(tf.linalg.matmul(work, work))
                return tf.cast(tf.cast(images, tf.float32) + nothing, tf.uint8), targets

            return super().train(*args, **kwargs).map(late)

    shares = []
    for images in (pipeline, Slow(image_source(SOURCE), InputPipelineSettings(), seed=0)):
        trainer = make(images, loop=4)
        next(steps := trainer.train_epoch())
        started, waited = time.monotonic(), sum(now.waited for now in steps)
        shares.append(waited / (time.monotonic() - started))
        assert 0 < shares[-1] < 1
    assert shares[1] > shares[0]


def test_a_checkpoint_of_keras_layers_is_refused(pipeline: InputPipeline, tmp_path: Path) -> None:
    trainer = make(pipeline)
    former = {("vectors" if name == "weights" else name): value for name, value in trainer.state.items()}
    Checkpoints(former, str(tmp_path), keep=1).save(0)
    with pytest.raises(UsageError, match="of an earlier version of rl_nas, which computed networks in another way"):
        Checkpoints(trainer.state, str(tmp_path), keep=1).restore(print)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_training_is_that_of_the_keras_model(pipeline: InputPipeline, name: str) -> None:
    """Steps of both begin alike; later rounding is blown up."""
    curves, trained = [], []
    for keras_model in (None, lambda: build_model(PLAN, seed=1)):
        trainer = make(pipeline, name, loop=1, keras_model=keras_model, learning_rate=0.001, ema_decay=0.9)
        curves.append([now.figures["loss"] for now in trainer.train_epoch()])
        trained.append(trainer.measure("valid").metrics)
    rtol = 1e-3 if name == "float32" else 0.03
    np.testing.assert_allclose(curves[0], curves[1], rtol=rtol)
    assert trained[0] == pytest.approx(trained[1], rel=rtol, abs=rtol)


@pytest.mark.long
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_sixteen_bits_learn_too(pipeline: InputPipeline, name: str) -> None:
    trainer = make(pipeline, name, epochs=8)
    assert {v.dtype for v in trainer.network.vectors} == {"float32"}
    train(trainer, 8)
    measured = trainer.measure("valid")
    assert measured.metrics["accuracy"] > 0.8
    assert measured.images == 97
    assert measured.metrics["top5_accuracy"] >= measured.metrics["accuracy"]


@pytest.mark.long
def test_compiled_steps_are_the_same(pipeline: InputPipeline) -> None:
    def small() -> keras.Model:
        layers = [keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(seed=1))]
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.Flatten()]
        layers.append(keras.layers.Dense(10, kernel_initializer=keras.initializers.HeNormal(seed=2)))
        return named_logits(keras.Sequential([keras.Input((8, 8, 1)), *layers]))

    plain, compiled = (
        make(pipeline, varied=False, keras_model=small, jit_compile="on" if jit else "off") for jit in (False, True)
    )
    for trainer in (plain, compiled):
        train(trainer, 1)
    one, other = (trainer.state["weights"][0].numpy() for trainer in (plain, compiled))
    np.testing.assert_allclose(other, one, rtol=0.01, atol=1e-3)
    # XLA draws other numbers, and lacks some operations: the variations are compiled as well.
    varied = make(pipeline, loop=2, epochs=1, keras_model=small, jit_compile="on")
    losses = [progress.figures["loss"] for progress in varied.train_epoch()]
    assert losses[-1] < losses[0]  # means over the epoch so far


def test_what_is_measured_are_the_averages_that_are_kept(pipeline: InputPipeline) -> None:
    trainer = make(pipeline, ema_decay=0.8)
    train(trainer)
    measured = trainer.measure("valid")
    trainer.write_back()
    batches = list(pipeline.measured("valid", 97).as_numpy_iterator())
    images, labels, _ = batches[0]
    model = build_model(PLAN)
    load_weights(model, trainer.network.values)
    logits = model(trainer.normalization(images), training=False)["logits"].numpy()
    assert measured.metrics["accuracy"] == pytest.approx(np.mean(logits.argmax(-1) == labels))
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert measured.metrics["loss"] == pytest.approx(-log_probs[np.arange(97), labels].mean(), rel=1e-4)
    top5 = np.argsort(-logits, axis=-1)[:, :5]
    assert measured.metrics["top5_accuracy"] == pytest.approx(np.mean(np.any(top5 == labels[:, None], axis=-1)))


def test_a_batch_that_devices_cannot_share_is_told(pipeline: InputPipeline) -> None:
    from rl_nas.child.training.full_training import global_batch

    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(UsageError, match="--batch_size=100 cannot be split over 3 devices; give a multiple of 3"):
        global_batch(TrainingSettings(batch_size=100), 1000, Three())
    with pytest.raises(UsageError, match="--jit_compile=on is for one device, not for 3"):
        global_batch(TrainingSettings(batch_size=99, jit_compile="on"), 1000, Three())
