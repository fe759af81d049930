"""Data, augmentation and training of children on real digits."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import accuracy_and_loss, device_data, image_data, logits_model, objective
from tensorflow.python.framework.func_graph import FuncGraph

from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings, DataSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.export.writers import write_checked_saved_model
from rl_nas.child.network.flat_weights import FlatKerasModel
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.child_training import ChildTrainer, DivergedError, training_steps
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.errors import UsageError
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.nasnet import nasnet
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.tasks.classification.serving import Classifier

NETWORK = NetworkSettings(cells=1, filters=4, reductions=1)
OBJECTIVE = objective(10)


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="module")
def digits(tfds_dir: str) -> ImageData:
    return image_data(DataSettings(dataset="digits", data_dir=tfds_dir, valid_fraction=0.2))


def plan() -> Plan:
    space = nasnet(1)
    genotype = space.decode(space.sample(np.random.default_rng(3)))
    return plan_network(genotype, NETWORK, (8, 8, 1), Head(10))


def accuracy_of(child: PlannedModel, data: DeviceData) -> float:
    return accuracy_and_loss(child.infer, data, 10)[0]


def test_held_out_images_are_disjoint_and_repeatable(digits: ImageData, tfds_dir: str) -> None:
    from sklearn.datasets import load_digits

    assert digits.train_images.shape == (1200, 8, 8, 1)
    assert digits.valid_images.shape == (300, 8, 8, 1)
    assert digits.class_names == tuple(map(str, range(10)))
    everything = np.concatenate([digits.train_images, digits.valid_images]).reshape(1500, -1)
    source = np.rint(load_digits().images[:1500] * (255 / 16)).astype(np.uint8).reshape(1500, -1)
    # Together they are exactly the training split: nothing twice, nothing of the test split.
    assert sorted(map(bytes, everything)) == sorted(map(bytes, source))
    again = image_data(DataSettings(dataset="digits", data_dir=tfds_dir, valid_fraction=0.2, train_images=100))
    np.testing.assert_array_equal(np.sort(again.valid_targets), np.sort(digits.valid_targets))
    assert len(again.train_images) == 100


@pytest.mark.parametrize(
    "name", ["kaggle:cats", "huggingface:mnist", "my-lab:a/b:1.0.0", "mnist:", "mnist:3.0.1:x", "mnist:x1", ":mnist"]
)
def test_code_of_communities_is_never_fetched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorflow_datasets.builder", lambda *_, **__: pytest.fail("TFDS was asked"))
    with pytest.raises(UsageError, match="is not one of TFDS's own data sets"):
        image_data(DataSettings(dataset=name))


@pytest.mark.parametrize("name", ["cifar10:3.*.*", "mnist:3.0.1", "imagenet_resized/8x8:0.1.0", "mnist"])
def test_versions_are_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class AskedError(Exception):
        pass

    def ask(given: str, **_: object) -> None:
        assert given == name
        raise AskedError

    monkeypatch.setattr("tensorflow_datasets.builder", ask)
    with pytest.raises(AskedError):
        image_data(DataSettings(dataset=name))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "digit"}, "did you mean digits"),
        ({"train_images": 1490}, "are too many"),
        ({"dataset": "mnist"}, "not prepared in"),
    ],
)
def test_wrong_data_is_one_line(settings: dict, message: str, tfds_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl_nas.child.data.tfds_data._network_reachable", lambda: False)
    with pytest.raises(UsageError, match=message) as caught:
        image_data(DataSettings(**{"dataset": "digits", "data_dir": tfds_dir, **settings}))
    assert "\n" not in str(caught.value)


def test_flat_dropout_differs_from_step_to_step() -> None:
    network = NetworkSettings(cells=1, filters=4, reductions=0, dropout=0.5)
    with_dropout = plan_network(nasnet(1).decode((0,) * 10), network, (8, 8, 1), Head(10))
    flat_model = FlatKerasModel(build_model(with_dropout, seed=1))
    images = tf.random.stateless_normal([4, 8, 8, 1], [0, 0])
    weights = flat_model.trainable.vector.value
    call = tf.function(lambda: flat_model.train_call(weights, images)[0]["logits"], autograph=False)
    first, second = call(), call()
    assert not np.allclose(first, second)


@pytest.mark.parametrize("fast", [False, True])
def test_flat_training_is_plain_keras_training(digits: ImageData, fast: bool) -> None:
    """Three steps with the vectors equal three steps of a plain loop over the variables of a Keras model."""
    settings = TrainingSettings(epochs=1, batch_size=32, learning_rate=0.02, weight_decay=0.01, clip_norm=1.0)
    data, plain, model = device_data(digits), logits_model(plan()), build_model(plan())
    flat_model = PlannedModel(plan()) if fast else FlatKerasModel(model)
    trainer = ChildTrainer(flat_model, OBJECTIVE, data, settings, AugmentSettings(), seed=0)
    schedule = keras.optimizers.schedules.CosineDecay(0.02, training_steps(settings, 1200))
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, global_clipnorm=1.0)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for step in range(3):
        indices = np.arange(step * 32, step * 32 + 32)
        loss = trainer.step(indices)
        images, labels = data.normalize(digits.train_images[indices]), digits.train_targets[indices]
        with tf.GradientTape() as tape:
            expected = cross_entropy(labels, plain(images, training=True))
            kernels = [v.value for v in plain.trainable_variables if "kernel" in v.name]
            total = expected + 0.01 * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
        optimizer.apply(tape.gradient(total, [v.value for v in plain.trainable_variables]), plain.trainable_variables)
        assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    flat_model.write_back()
    ours = {v.path: v.numpy() for v in (flat_model.weights if isinstance(flat_model, PlannedModel) else model.weights)}
    assert set(ours) == {v.path for v in plain.weights}
    for theirs in plain.weights:
        np.testing.assert_allclose(ours[theirs.path], theirs.numpy(), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("fast", [False, True])
def test_weight_decay_applies_to_kernels_alone(fast: bool) -> None:
    model = build_model(plan())
    flat_model = PlannedModel(plan()) if fast else FlatKerasModel(model)
    kernels = sum(int(np.prod(v.shape)) for v in model.trainable_variables if "kernel" in v.name)
    assert flat_model.is_kernel.sum() == kernels > 0


def test_a_child_learns_digits_and_its_saved_model_computes_the_same(digits: ImageData, tmp_path) -> None:
    data, child = device_data(digits), PlannedModel(plan())
    before = accuracy_of(child, data)
    settings = TrainingSettings(epochs=6, batch_size=64)
    ChildTrainer(child, OBJECTIVE, data, settings, AugmentSettings(), seed=0).train()
    after, loss = accuracy_and_loss(child.infer, data, 10)
    assert before < 0.3
    assert after > 0.85
    assert 0 < loss < 0.6
    model, weights = build_model(plan(), seed=1), {v.path: v.numpy() for v in child.weights}
    for variable in model.weights:
        variable.assign(weights[variable.path])
    assert accuracy_and_loss(model, data, 10) == pytest.approx((after, loss), rel=1e-4)
    classifier = Classifier("classification", model, digits.normalization(), digits.class_names)
    checked = digits.valid_images, digits.valid_targets
    figures = write_checked_saved_model(classifier, *checked, tmp_path / "saved_model")
    assert figures["max_difference"] < 1e-5
    assert figures["top1_agreement"] == 1.0
    reloaded = tf.saved_model.load(tmp_path / "saved_model")
    served = reloaded.serve(digits.valid_images)["probabilities"]
    assert np.mean(np.argmax(served, -1) == digits.valid_targets) == pytest.approx(after)
    np.testing.assert_allclose(tf.reduce_sum(served, -1), 1.0, rtol=1e-5)


def test_every_trick_at_once_learns_digits_too(digits: ImageData) -> None:
    settings = TrainingSettings(
        epochs=8,
        batch_size=64,
        optimizer="rmsprop",
        learning_rate=0.1,
        schedule="exponential",
        warmup_epochs=0.5,
        ema_decay=0.99,
    )
    data, child = device_data(digits), PlannedModel(plan())
    smoothed = objective(10, label_smoothing=0.1)
    trainer = ChildTrainer(child, smoothed, data, settings, AugmentSettings(cutout=2), seed=0)
    trainer.train()
    assert accuracy_of(child, data) > 0.85
    # What is measured are the averages, of the moving statistics too.
    averages = np.concatenate([average.value.numpy() for average in trainer._update.averages])
    np.testing.assert_array_equal(np.concatenate([np.ravel(v.numpy()) for v in child.weights]), averages)


def test_a_diverging_child_says_so(digits: ImageData) -> None:
    settings = TrainingSettings(epochs=1, learning_rate=1e18, clip_norm=0)
    with pytest.raises(DivergedError, match="after epoch 1"):
        ChildTrainer(PlannedModel(plan()), OBJECTIVE, device_data(digits), settings, AugmentSettings(), seed=0).train()


def test_functions_of_finished_children_are_forgotten(digits: ImageData) -> None:
    """Optimizers of Keras have TensorFlow keep the graph of every child for ever."""
    data, settings = device_data(digits), TrainingSettings(epochs=1, batch_size=600)

    def graphs() -> int:
        ChildTrainer(PlannedModel(plan()), OBJECTIVE, data, settings, AugmentSettings(), seed=0).train()
        gc.collect()
        return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())

    assert graphs() == graphs()


@pytest.mark.parametrize("crop", ["pad", "upsample"])
def test_augmentation_is_a_function_of_its_seed(crop: str) -> None:
    images = tf.random.stateless_uniform([16, 8, 8, 3], [1, 2])
    settings = AugmentSettings(crop_margin=2, crop=crop, flip=True)
    once, again = (augment(images, tf.constant([5, 6], tf.int64), settings)[0] for _ in range(2))
    other, _ = augment(images, tf.constant([5, 7], tf.int64), settings)
    np.testing.assert_array_equal(once, again)
    assert np.any(once.numpy() != other.numpy())
    assert once.shape == images.shape


def test_padded_crops_are_windows_of_the_padded_image() -> None:
    image = tf.reshape(tf.range(1.0, 17.0), [1, 4, 4, 1])
    images = tf.repeat(image, 64, axis=0)
    cropped = augment(images, tf.constant([1, 1], tf.int64), AugmentSettings(crop_margin=1))[0].numpy()
    padded = np.pad(image.numpy()[0, :, :, 0], 1)
    windows = {padded[r : r + 4, c : c + 4].tobytes() for r in range(3) for c in range(3)}
    seen = {crop[:, :, 0].tobytes() for crop in cropped}
    assert seen <= windows
    assert len(seen) == 9
