"""Trainings that start from a trained network: what is copied, what is new, what is frozen, and that it helps."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import LABELS, image_source, objective
from sklearn.datasets import load_digits

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.settings import AugmentSettings, DataSettings, InputPipelineSettings
from rl_nas.child.export.serving import load_weights
from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.full_training import FullTrainer
from rl_nas.child.training.settings import DeviceSettings, InitSettings, TrainingSettings
from rl_nas.child.training.train_step import TrainStep
from rl_nas.child.training.transfer import freeze, rate_factors, start_from
from rl_nas.errors import UsageError
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.tasks.classification.objective import ClassificationMetric
from rl_nas.tasks.classification.serving import Classifier

EDGES = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
NETWORK = NetworkSettings(cells=1, filters=4, reductions=1)
SKELETON = skeleton_of(NASNET_A, NETWORK)
HEAD = Head(1)  # whose layers have the same names whatever its classes


def plan(classes: int, auxiliary: bool = False, filters: int = 4, what: str = "none") -> Plan:
    settings = NetworkSettings(cells=1, filters=filters, reductions=1, auxiliary=auxiliary)
    size = 20 if auxiliary else 8
    planned = plan_network(NASNET_A, settings, (size, size, 1), Head(classes), 10 if auxiliary else None)
    return freeze(planned, what, HEAD)


def network(classes: int, seed: int = 0, auxiliary: bool = False, filters: int = 4) -> keras.Model:
    return build_model(plan(classes, auxiliary, filters), seed=seed, name="network")


def small_plan(classes: int) -> Plan:
    return plan_network(EdgeCell.from_string(EDGES), NetworkSettings(cells=1, filters=8), (8, 8, 3), Head(classes))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits 0 to 5, many, and 6 to 9, few to train on, as folders of images."""
    root, data, counts = tmp_path_factory.mktemp("digits"), load_digits(), dict.fromkeys(range(10), 0)
    for image, label in zip(data.images, data.target.tolist(), strict=True):
        number = counts[label]
        counts[label] += 1
        place = root / "many" / "train" if label < 6 else root / "few" / ("train" if number < 10 else "test")
        folder = place / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        keras.utils.array_to_img(image[..., np.newaxis] * 255 / 16, scale=False).save(folder / f"{number}.png")
    return root


def classes_of(model: keras.Model) -> int:
    return int(model.output["logits"].shape[-1])


def stream_of(folder: Path) -> InputPipeline:
    source = image_source(DataSettings(dataset=f"folder:{folder}", image_size=8, valid_images=0))
    return InputPipeline(source, InputPipelineSettings(), seed=0)


def train(
    network: FlatModel, pipeline: InputPipeline, normalization: Normalization, epochs: int, rate: float
) -> FullTrainer:
    classes = network.output_shapes[0][-1]
    trainer = FullTrainer(
        lambda: network,
        pipeline,
        normalization,
        objective(classes),
        TrainingSettings(epochs=epochs, batch_size=20, learning_rate=rate),
        AugmentSettings(crop_margin=1),
        DeviceSettings(),
        annotation=LABELS,
        metric=lambda: ClassificationMetric(classes),
        strategy=tf.distribute.get_strategy(),
    )
    while trainer.epoch < epochs:
        for _ in trainer.train_epoch():
            pass
    return trainer


@pytest.fixture(scope="module")
def pretrained(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows the digits 0 to 5 (images are read with three channels)."""
    pipeline = stream_of(digits / "many")
    normalization = pipeline.normalization()
    trainer = train(PlannedModel(small_plan(6), seed=1), pipeline, normalization, epochs=12, rate=0.1)
    trained = build_model(small_plan(6), name="network")
    load_weights(trained, trainer.network.values)
    folder = tmp_path_factory.mktemp("pretrained")
    Classifier("classification", trained, normalization, "012345").keras_model().save(folder / "model.keras")
    return folder


@pytest.mark.long
def test_fine_tuning_beats_training_from_scratch_at_the_same_budget(digits: Path, pretrained: Path) -> None:
    """40 images of four other digits, fifteen epochs, three seeds each."""
    pipeline = stream_of(digits / "few")
    assert pipeline.train_images == 40
    parts = {"scratch": "none", "tuned": "none", "norm": "norm", "head": "backbone"}
    found: dict[str, float] = {}
    for name, what in parts.items():
        accuracies = []
        for seed in range(3):
            network = PlannedModel(freeze(small_plan(4), what, HEAD), seed=10 + seed)
            normalization = pipeline.normalization()
            if name != "scratch":
                model = build_model(small_plan(4), seed=10 + seed)
                start = start_from(InitSettings(init=str(pretrained)), model, SKELETON, HEAD)
                assert start.new == ("head.logits",)
                normalization = start.normalization
                network.load({variable.path: variable.numpy() for variable in model.weights})
            measured = train(network, pipeline, normalization, epochs=15, rate=0.05).measure("test")
            assert measured.images == 674
            accuracies.append(measured.metrics["accuracy"])
        found[name] = sum(accuracies) / 3
    assert found["tuned"] > found["scratch"] + 0.1, found
    # With the statistics of the other digits less is gained: over eight seeds 0.79 against 0.70, and 0.85 without them.
    assert found["norm"] > found["scratch"] + 0.05, found
    assert found["head"] > 0.5, found  # a straight line through features of other digits


def save(model: keras.Model, folder: Path) -> str:
    names = [str(number) for number in range(classes_of(model))]
    Classifier("classification", model, Normalization((100.0,), (50.0,)), names).keras_model().save(
        folder / "model.keras"
    )
    return str(folder)


def test_what_fits_is_copied_and_the_rest_is_new(tmp_path: Path) -> None:
    trained = network(6, seed=1)
    init = save(trained, tmp_path)
    same, other = network(6, seed=2), network(4, seed=2)
    start = start_from(InitSettings(init=init), same, SKELETON, HEAD)
    assert start.new == ()
    np.testing.assert_allclose(start.normalization.mean, [100.0])
    np.testing.assert_allclose(start.normalization.deviation, [50.0])
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(same(images)["logits"], trained(images)["logits"], atol=1e-6)
    assert start_from(InitSettings(init=f"{init}/model.keras"), other, SKELETON, HEAD).new == ("head.logits",)
    fresh = network(4, seed=2)
    for ours, theirs, new in zip(other.weights, trained.weights, fresh.weights, strict=True):
        expected = new if ours.path.startswith("head") else theirs
        np.testing.assert_array_equal(ours.numpy(), expected.numpy(), err_msg=ours.path)
    assert start_from(InitSettings(init=init, init_head="new"), network(6, seed=2), SKELETON, HEAD).new == (
        "head.logits",
    )


def test_an_auxiliary_head_is_new(tmp_path: Path) -> None:
    model = network(6, auxiliary=True)
    init = save(
        build_model(plan_network(NASNET_A, NETWORK, (20, 20, 1), Head(6)), seed=1, name="network"),
        tmp_path,
    )
    new = start_from(InitSettings(init=init), model, SKELETON, HEAD).new
    assert new
    assert all(name.startswith("auxiliary.") for name in new)


def test_frozen_layers_stay_and_normalisation_uses_its_averages(tmp_path: Path) -> None:
    model = build_model(plan(4, what="backbone"))
    assert {v.path for v in model.trainable_variables} == {"head.logits/kernel", "head.logits/bias"}
    model = build_model(plan(4, what="norm"))
    assert not any("gamma" in v.path or "beta" in v.path for v in model.trainable_variables)
    with_auxiliary = build_model(plan(4, auxiliary=True, what="norm"))  # of this head too, as since 0.1.0
    assert not any("gamma" in v.path or "beta" in v.path for v in with_auxiliary.trainable_variables)
    images = np.random.default_rng(0).normal(3.0, size=(5, 8, 8, 1)).astype(np.float32)
    trained, inferred = (model(images, training=training)["logits"] for training in (True, False))
    np.testing.assert_allclose(trained, inferred, atol=1e-6)


@pytest.mark.parametrize("what", ["norm", "backbone"])
def test_a_frozen_network_learns_as_its_keras_model(what: str) -> None:
    images = np.random.default_rng(0).normal(size=(6, 20, 20, 1)).astype(np.float32)
    labels, training = tf.constant([0, 1, 2, 3, 0, 1]), TrainingSettings(epochs=1, batch_size=6, learning_rate=0.01)
    found = []
    for network in (PlannedModel, lambda plan, seed: FlatKerasModel(build_model(plan, seed=seed))):
        step = TrainStep(network(plan(4, auxiliary=True, what=what), seed=3), objective(4), training, 6, 10)
        before = step.model.values
        losses = [float(step(tf.constant(images), labels)[0]) for _ in range(3)]
        moved = {path for path, value in step.model.values.items() if (value != before[path]).any()}
        found.append((losses, step.model.values, moved))
    (ours, weights, moved), (theirs, keras_weights, keras_moved) = found
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert moved == keras_moved
    assert not any("moving" in path or "gamma" in path for path in moved if what == "norm" or "auxiliary" not in path)
    for path, value in keras_weights.items():
        np.testing.assert_allclose(weights[path], value, rtol=1e-3, atol=1e-5, err_msg=path)


@pytest.mark.parametrize("what", ["none", "norm"])
def test_the_backbone_takes_a_tenth_of_each_step_and_the_head_the_whole(what: str) -> None:
    images = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)
    training = TrainingSettings(epochs=1, batch_size=6, learning_rate=0.1, clip_norm=0)
    steps = {}
    for rate in (1.0, 0.1):
        network = PlannedModel(plan(4, what=what), seed=3)
        factors = rate_factors(network, rate, HEAD)
        step = TrainStep(network, objective(4), training, 6, 10, factors=factors)
        before = step.model.trainable.vector.numpy()
        step(tf.constant(images), tf.constant([0, 1, 2, 3, 0, 1]))
        steps[rate] = step.model.trainable.vector.numpy() - before
    of_head = np.concatenate(
        [np.full(int(np.prod(v.shape)), v.path.startswith("head.logits")) for v in network.trainable.specs]
    )
    assert 0 < of_head.sum() < len(of_head)
    np.testing.assert_allclose(steps[0.1], np.where(of_head, 1.0, 0.1) * steps[1.0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"backbone_rate": 0.0}, "--backbone_rate=0: expected a number > 0; for a backbone that stays"),
        ({"backbone_rate": -1.0}, "expected a number >= 0"),
        ({"backbone_rate": 0.1, "freeze": "backbone"}, "--backbone_rate=0.1 has no effect with --freeze=backbone"),
    ],
)
def test_a_rate_of_a_backbone_that_does_not_learn_is_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InitSettings(**flags)


@pytest.mark.parametrize(
    ("init", "head", "message"),
    [
        ("absent", "auto", "--init=absent: no absent; expected a training's folder"),
        ("{trained}", "keep", "has 6 classes, the data 4: --init_head=keep needs the same"),
        ("{wide}", "auto", "for stem.conv/kernel, expected (3, 3, 1, 12): give the --genotype, --network, --cells"),
        ("{text}", "auto", "is not the model.keras of a training"),
        ("keras_applications", "auto", "give --genotype=NASNet-A --zero_padded_pools and --network=imagenet_mobile"),
    ],
)
def test_what_does_not_fit_is_one_line(init: str, head: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "trained").mkdir()
    (tmp_path / "wide").mkdir()
    (tmp_path / "text.keras").write_text("no model")
    places = {
        "trained": save(network(6), tmp_path / "trained"),
        "wide": save(network(6, filters=6), tmp_path / "wide"),
        "text": str(tmp_path / "text.keras"),
    }
    with pytest.raises(UsageError) as error:
        start_from(InitSettings(init=init.format(**places), init_head=head), network(4), SKELETON, HEAD)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.long
def test_keras_applications_give_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network their weights cannot be had: a NASNetMobile with random weights stands for them."""
    made = []

    def stand_in(weights: str, input_shape: tuple[int, int, int]) -> keras.Model:
        assert weights == "imagenet"
        made.append(original(weights=None, input_shape=input_shape, classifier_activation=None))
        return made[0]

    original = keras.applications.NASNetMobile
    monkeypatch.setattr(keras.applications, "NASNetMobile", stand_in)
    settings = NetworkSettings(network="imagenet_mobile", zero_padded_pools=True)
    skeleton = skeleton_of(NASNET_A, settings)
    model = build_model(plan_network(NASNET_A, skeleton, (96, 96, 3), Head(7), training_steps=10))
    start = start_from(InitSettings(init="keras_applications"), model, skeleton, HEAD)
    assert {name for name in start.new if not name.startswith("auxiliary.")} == {"head.logits"}
    assert start.normalization.mean == (127.5,) * 3
    ours, theirs = model.get_layer("stem.conv"), made[0].get_layer("stem_conv1")
    np.testing.assert_array_equal(ours.kernel.numpy(), theirs.kernel.numpy())
