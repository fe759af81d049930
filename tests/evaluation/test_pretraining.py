"""Backbones that are trained as classifiers before they are trained for a task."""

from pathlib import Path

import numpy as np
import pytest
from classifying import image_data

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.pretraining import Pretraining
from rl_nas.evaluation.settings import PretrainSettings
from rl_nas.networks.network import plan_features
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.tasks.catalog import find_task
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import open_source

SIZES = NetworkSettings(cells=1, filters=4, reductions=2)
SPACE = nasbench201()


def genotype_of(seed: int) -> Genotype:
    genotype: Genotype = SPACE.decode(SPACE.sample(np.random.default_rng(seed)))
    return genotype


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> DataSettings:
    return DataSettings(dataset="digits", data_dir=str(tmp_path_factory.mktemp("tfds")))


@pytest.fixture(scope="module")
def detectors() -> Networks:
    task = find_task("detection")
    problem = task.problem(("cell",), {"levels": "1-2", "neck_filters": 4, "tower_filters": 4})
    return Networks(task, problem, SIZES, (32, 48, 1))


@pytest.fixture
def pretraining(settings: DataSettings, detectors: Networks, tmp_path: Path) -> Pretraining:
    images, task = image_data(settings), find_task("classification")
    classifiers = Networks(task, task.problem(images.class_names), SIZES, images.image_shape)
    training = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.1)
    annotation = open_source(settings).source.annotation
    return Pretraining(classifiers, detectors.skeleton, images, annotation, training, tmp_path / "kept")


def test_a_detector_starts_from_all_weights_of_a_trained_classifier(
    pretraining: Pretraining, detectors: Networks
) -> None:
    genotype = genotype_of(1)
    start = pretraining(genotype)
    assert 0.3 < start.metrics["pretrained_accuracy"] <= 1  # of ten digits
    head, skeleton = detectors.head(genotype), detectors.skeleton(genotype)
    backbone = PlannedModel(plan_features(genotype, skeleton, detectors.image_shape, head))
    assert {(one.path, tuple(one.shape)) for one in backbone.weights} <= {
        (path, value.shape) for path, value in start.weights.items()
    }
    child = PlannedModel(detectors.plan(genotype), seed=3)
    child.load(start.weights)
    child.write_back()
    loaded = {variable.path: variable.numpy() for variable in child.weights}
    assert loaded.keys() - start.weights.keys()  # neck and towers
    for path in loaded.keys() & start.weights.keys():
        np.testing.assert_array_equal(loaded[path], start.weights[path])


@pytest.mark.long
def test_a_backbone_is_trained_once_and_does_not_depend_on_others(
    pretraining: Pretraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pretraining(genotype_of(1))
    other = pretraining(genotype_of(2))
    kept = sorted(pretraining._folder.iterdir())
    assert len(kept) == 2
    shared = other.weights.keys() & first.weights.keys()
    assert any(not np.array_equal(other.weights[path], first.weights[path]) for path in shared)
    with monkeypatch.context() as patched:
        patched.setattr(Pretraining, "_train", None)
        again = pretraining(genotype_of(1))
    assert again.metrics == first.metrics
    for path, value in first.weights.items():
        np.testing.assert_array_equal(again.weights[path], value)
    whole = kept[0].read_bytes()
    flipped = bytes(byte ^ (255 * (place % 97 == 0)) for place, byte in enumerate(whole))
    state = unpack(whole)
    hostile = [
        state | {"metrics": {"mAP": 1.0}},
        state | {"metrics": {"pretrained_accuracy": "1"}},
        state | {"weights": {path: value.astype("U9") for path, value in state["weights"].items()}},
        state | {"weights": {path: value * np.nan for path, value in state["weights"].items()}},
    ]
    for damage in (b"", b"PK\x03\x04 no archive", whole[:-300], flipped, *map(pack, hostile)):
        for file in kept:
            file.write_bytes(damage)
        mended = pretraining(genotype_of(1))
        for path, value in first.weights.items():
            np.testing.assert_array_equal(mended.weights[path], value)


def test_flags_without_a_pretraining_are_refused() -> None:
    with pytest.raises(UsageError, match="--pretrain_images has no effect without --pretrain_epochs"):
        PretrainSettings(images=10)
    with pytest.raises(UsageError, match="--pretrain_dataset has no effect"):
        PretrainSettings(epochs=0, dataset="digits")
    PretrainSettings(epochs=0)
