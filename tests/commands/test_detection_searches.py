"""Searches of detectors by the command line: for necks on features of a backbone, and for backbones."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from detectors import BACKBONE, HEAD, KINDS, NETWORK, STEPS, TASK
from processes import Words, refuse, run

from rl_nas.store.trials import read_trials
from rl_nas.trial import Trial

pytestmark = pytest.mark.long

SCRATCH = "--pretrain_epochs=0"
SPACE = ("--space=nas_fpn", "--strategy=random", "--update_every=2", f"--backbone={BACKBONE}")
IMAGES = ("--train_images=24", "--valid_images=12", "--epochs=1", "--trials=2")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detection")


@pytest.fixture(scope="module")
def shapes(base: Path) -> Words:
    return ("--dataset=boxed_shapes", f"--data_dir={base / 'tfds'}", TASK)


@pytest.fixture(scope="module")
def search(base: Path, shapes: Words) -> Words:
    return (*shapes, *SPACE, *NETWORK, *HEAD, *STEPS, *IMAGES, "--flip", f"--feature_dir={base / 'features'}")


def trials_of(folder: Path) -> list[Trial]:
    return read_trials(folder / "trials.sqlite")


@pytest.fixture(scope="module")
def found(base: Path, search: Words) -> Path:
    done = run("search", *search, "--executor=inline", f"--run_dir={base / 'found'}")
    assert done.returncode == 0, done.stderr
    assert "features: computing those of 60 images once" in done.stderr  # 24 twice, as some are mirrored, and 12
    assert ", mAP 0." in done.stdout.splitlines()[-1]
    return base / "found"


@pytest.mark.slow
def test_a_search_finds_a_neck(found: Path) -> None:
    for trial in trials_of(found):
        assert trial.measurement is not None
        metrics = trial.measurement.metrics
        assert list(metrics)[:3] == ["mAP", "AP50", "AP75"]
        assert trial.reward == metrics["mAP"] == trial.measurement.quality
        assert {name.removeprefix("AP/") for name in metrics} >= set(KINDS)
    genotype = json.loads((found / "best/genotype.json").read_text())
    assert (genotype["kind"], len(genotype["merges"])) == ("nas_fpn", 7)
    for picture in ("cell.png", "examples.png"):
        assert (found / "best" / picture).stat().st_size > 5000


@pytest.mark.slow
def test_its_network_takes_images_of_any_size(found: Path) -> None:
    """Boxes lie in the image that was given."""
    model = tf.saved_model.load(found / "best/saved_model")
    for height, width in ((48, 64), (31, 77)):
        image = np.random.default_rng(0).integers(0, 256, (2, height, width, 3)).astype(np.uint8)
        served = {name: values.numpy() for name, values in model.serve(tf.constant(image)).items()}
        assert served["boxes"].shape == (2, 100, 4)
        assert served["boxes"].min() >= 0
        assert (served["boxes"].max(axis=(0, 1)) <= np.array([height, width] * 2) + 1e-3).all()
    recorded = json.loads((found / "best/saved_model/assets.extra/suppression.json").read_text())
    assert recorded == {"score_threshold": 0.05, "nms_iou": 0.5, "max_detections": 100}


@pytest.mark.long
def test_workers_share_the_features_and_find_the_same(found: Path, base: Path, search: Words) -> None:
    before = sorted((base / "features").iterdir())
    done = run("search", *search, "--executor=processes", "--workers=2", f"--run_dir={base / 'workers'}")
    assert done.returncode == 0, done.stderr
    assert "computing" not in done.stderr
    assert sorted((base / "features").iterdir()) == before
    rewards = {trial.index: trial.reward for trial in trials_of(base / "workers")}
    assert rewards == {trial.index: trial.reward for trial in trials_of(found)}
    more = run("search", "--resume", "--trials=3", f"--run_dir={base / 'workers'}")
    assert more.returncode == 0, more.stderr
    assert len(trials_of(base / "workers")) == 3


@pytest.mark.long
def test_children_can_train_their_backbone_too(base: Path, search: Words) -> None:
    words = [word for word in search if not str(word).startswith("--feature_dir")]
    done = run("search", *words, "--feature_cache=no", "--crop_margin=2", f"--run_dir={base / 'whole'}")
    assert done.returncode == 0, done.stderr
    assert "features: " not in done.stderr
    assert all(trial.measurement is not None for trial in trials_of(base / "whole"))


@pytest.mark.long
def test_backbones_are_searched_under_a_neck(base: Path, shapes: Words) -> None:
    """Of the cells of nasbench201, with the limits of the flags in the network of the best one."""
    words = (*shapes, "--space=nasbench201", SCRATCH, "--strategy=random", "--update_every=2", *HEAD, *STEPS, *IMAGES)
    done = run("search", *words, *NETWORK, "--max_detections=5", "--levels=2-4", f"--run_dir={base / 'cells'}")
    assert done.returncode == 0, done.stderr
    assert "features: " not in done.stderr
    model = tf.saved_model.load(base / "cells/best/saved_model")
    assert model.serve(tf.zeros([1, 20, 30, 3], tf.uint8))["boxes"].shape == (1, 5, 4)
    recorded = json.loads((base / "cells/best/saved_model/assets.extra/suppression.json").read_text())
    assert recorded["max_detections"] == 5
    parts = json.loads((base / "cells/best/genotype.json").read_text())
    assert parts["kind"] == "nasbench201"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--space=nas_fpn",), "--backbone is missing; every object detector needs one"),
        (
            ("--space=nas_fpn", "--backbone=NASNet-A", "--neck=FPN"),
            "--neck=FPN, but --space=nas_fpn describes the neck",
        ),
        (("--space=nas_fpn", "--backbone=FPN"), "--backbone=FPN describes a neck; expected a backbone"),
        (("--space=nas_fpn", "--backbone=NASNet-A", "--levels=3-5"), "--levels=3-5: the neck is for levels 3 to 7"),
        (
            ("--space=nas_fpn", "--backbone=NASNet-A", "--crop_margin=2"),
            "--crop_margin=2 changes images, but their features",
        ),
        (("--space=dpc", "--backbone=NASNet-A"), "networks of --task=detection consist of a backbone and a neck"),
        (("--space=nasnet", "--neck=ASPP"), "--neck=ASPP describes a head; expected a neck"),
        (
            ("--space=nasnet", "--strategy=random", "--estimator=shared"),
            "--estimator=shared is not possible with --task=detection",
        ),
        (("--space=nasnet", "--filter=naswot"), "--filter=naswot is not possible with --task=detection"),
        (
            ("--space=nasnet", SCRATCH, "--feature_cache=no"),
            "--feature_cache=no: for a --backbone that is",
        ),
        (
            ("--space=nasnet", SCRATCH, "--reductions=1"),
            "expected stride 8 among them, of the finest level",
        ),
        (("--space=nasnet", SCRATCH, "--anchor_sizes=5,9"), "--anchor_sizes=5,9: expected 3 sides, one for each level"),
        (("--space=nasnet", SCRATCH, "--max_boxes=1"), "expected at most 1: give --max_boxes="),
        (("--space=nasnet", "--class_weights=auto"), "--class_weights=auto has no effect with --task=detection"),
    ],
)
def test_what_does_not_fit_is_one_line(words: Words, message: str, shapes: Words, tmp_path: Path) -> None:
    refused = refuse("search", *shapes, *NETWORK, *words, f"--run_dir={tmp_path / 'run'}")
    assert message in refused.stderr.splitlines()[-1]
    assert refused.returncode == 2
    assert not (tmp_path / "run").exists()


def test_data_without_boxes_is_no_detection(tmp_path: Path) -> None:
    words = ("--dataset=digits", "--space=nas_fpn", f"--run_dir={tmp_path / 'run'}")
    assert "networks of --task=classification consist of a backbone" in refuse("search", *words).stderr
    expected = "--task=detection finds no image with its targets among them"
    assert expected in refuse("search", *words, TASK).stderr
