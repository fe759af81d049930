"""Mean predictions over several sizes and mirrored images."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from mask_files import png, write

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.child.network.composed import build_network
from rl_nas.child.network.keras_backbone import KerasSource, Opened
from rl_nas.child.network.pixels import probe
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.full_training import Measured
from rl_nas.child.training.objective import add_up
from rl_nas.errors import UsageError
from rl_nas.evaluation.averaged_views import AveragedViews
from rl_nas.evaluation.settings import EvaluationSettings
from rl_nas.networks.skeleton import Skeleton
from rl_nas.report.training_summary import training_text
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.spaces.published import ASPP
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.segmentation.averaging import averaged
from rl_nas.tasks.segmentation.task import Segmentation
from rl_nas.tasks.sources import open_source

SIZE, COUNT = (12, 20), 8
GENOTYPE = EdgeCell.from_string(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|"
)
TASK = Segmentation()
PROBLEM = TASK.problem(["0", "1", "2"], {"head_filters": 8, "output_stride": 4})
NETWORKS = Networks(TASK, PROBLEM, Skeleton(cells=1, filters=4, reductions=2), (*SIZE, 3))
NORMALIZATION = Normalization.unit(3)


def pipeline_of(root: Path, images: np.ndarray, masks: np.ndarray) -> InputPipeline:
    """A folder with these test images; another split needs some too."""
    for split in ("train", "test"):
        for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
            write(root / split / "images" / f"{number}.png", png(image))
            write(root / split / "masks" / f"{number}.png", png(mask))
    size = "x".join(map(str, SIZE))
    settings = DataSettings(dataset=f"folder:{root}", image_size=size, valid_fraction=0.25)
    source = open_source(settings, "segmentation", {"classes": "3"}).source
    return InputPipeline(source, InputPipelineSettings(), seed=0)


@pytest.fixture(scope="module")
def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 256, (COUNT, *SIZE, 3)), rng.integers(0, 3, (COUNT, *SIZE))
    return images.astype(np.uint8), masks.astype(np.uint8)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    model = PlannedModel(NETWORKS.plan(GENOTYPE), seed=3)
    return {parameter.path: parameter.numpy() for parameter in model.weights}


def measured(pipeline: InputPipeline, weights: dict[str, np.ndarray], settings: EvaluationSettings) -> Measured:
    return AveragedViews(settings, NETWORKS, GENOTYPE).measure(weights, pipeline, "test", NORMALIZATION)


def test_one_view_is_the_ordinary_measurement(
    tmp_path: Path, examples: tuple[np.ndarray, np.ndarray], weights: dict[str, np.ndarray]
) -> None:
    images, masks = examples
    found = measured(pipeline_of(tmp_path, images, masks), weights, EvaluationSettings(scales="1"))
    model, metric = PlannedModel(NETWORKS.plan(GENOTYPE)), TASK.metric(PROBLEM)
    model.load(weights)
    outputs = model.infer(NORMALIZATION(tf.constant(images)))
    add_up(metric, TASK.objective(PROBLEM).evidence(tf.constant(masks), outputs, tf.ones([COUNT])))
    assert (found.split, found.images) == ("test", COUNT)
    assert found.metrics == pytest.approx(metric.result(), rel=1e-4)


def test_with_mirrored_views_it_does_not_matter_whether_all_images_are_mirrored(
    tmp_path: Path, examples: tuple[np.ndarray, np.ndarray], weights: dict[str, np.ndarray]
) -> None:
    images, masks = examples
    ways = [
        pipeline_of(tmp_path / "as_they_are", images, masks),
        pipeline_of(tmp_path / "mirrored", images[:, :, ::-1], masks[:, :, ::-1]),
    ]
    with_flip = [measured(way, weights, EvaluationSettings(scales="0.5,1,1.5", flip=True)).metrics for way in ways]
    without = [measured(way, weights, EvaluationSettings(scales="0.5,1,1.5")).metrics for way in ways]
    assert with_flip[0]["loss"] == pytest.approx(with_flip[1]["loss"], rel=1e-5)
    assert with_flip[0]["mIoU"] == pytest.approx(with_flip[1]["mIoU"], abs=2e-3)
    assert without[0]["loss"] != pytest.approx(without[1]["loss"], rel=1e-5)
    # The entropy of a mean is no more than the mean of entropies (Jensen).
    assert with_flip[0]["loss"] < np.mean([one["loss"] for one in without])


def test_networks_behind_backbones_of_keras_are_resized_too(
    tmp_path: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same")(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.BatchNormalization()(x))
    black_and_colors = probe(3)
    source = KerasSource(Opened("own", model, black_and_colors), (*SIZE, 3))
    backbone = source.cut(4, [4])
    networks = replace(NETWORKS, backbone=backbone.maps, settings=Skeleton())
    whole = build_network(networks.plan(ASPP), backbone)
    weights = {variable.path: variable.numpy() for variable in whole.weights}
    images, masks = examples
    pipeline = pipeline_of(tmp_path, images, masks)

    def found(scales: str) -> dict[str, float]:
        views = AveragedViews(EvaluationSettings(scales=scales), networks, ASPP, backbone)
        return views.measure(weights, pipeline, "test", backbone.normalization or NORMALIZATION).metrics

    metric, normalization = TASK.metric(PROBLEM), backbone.normalization or NORMALIZATION
    outputs = whole(normalization(tf.constant(images)), training=False)
    add_up(metric, TASK.objective(PROBLEM).evidence(tf.constant(masks), outputs, tf.ones([COUNT])))
    assert found("1") == pytest.approx(metric.result(), rel=1e-4)
    both, smaller, larger = (found(scales)["loss"] for scales in ("0.5,1.6", "0.5", "1.6"))
    assert both < (smaller + larger) / 2  # Jensen


def test_reports_show_them_beside_the_ordinary_measurements(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    split = {"split": "test", "images": 5, "mIoU": 0.5}
    results: dict[str, Any] = {
        "genotype_name": "a",
        "network": {"size": "", "trainable_parameters": 1, "multiply_adds": 2},
        "train": {"images": 3, "loss": 1.0},
        "valid": None,
        "final_test": split,
        "epochs": 1,
        "seconds": 1.0,
        "views": {"scales": [0.5, 1], "flip": True, "valid": None, "final_test": {**split, "mIoU": 0.75}},
    }
    folder.results.write_text(json.dumps(results))
    text = training_text(folder.read_results(), {"results": folder.results})
    assert "mIoU 0.5000 on 5 images of split test: final\n" in text
    assert "mIoU 0.7500 on 5 images of split test: final, mean predictions at scale 0.5, 1 and mirrored\n" in text
    for broken in (3, {**results["views"], "scales": "0.5"}, {"scales": [1.0]}):
        folder.results.write_text(json.dumps({**results, "views": broken}))
        with pytest.raises(UsageError, match="measure again"):
            folder.read_results()


def test_probabilities_are_averaged_whatever_their_size() -> None:
    first, second = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])

    def view(probabilities: np.ndarray, size: tuple[int, int]) -> dict[str, tf.Tensor]:
        # Logits are logarithms up to a constant.
        return {"logits": tf.constant(np.tile(np.log(probabilities) + 5, (1, *size, 1)), tf.float32)}

    mean = averaged([(view(first, (4, 6)), False), (view(second, (2, 9)), True)], (4, 6))["logits"]
    assert mean.shape == (1, 4, 6, 3)
    np.testing.assert_allclose(tf.nn.softmax(mean), np.tile((first + second) / 2, (1, 4, 6, 1)), rtol=1e-5)
    certain = {"logits": tf.constant([[[[1e4, -1e4]]]])}
    assert np.all(np.isfinite(averaged([(certain, False)], (1, 1))["logits"]))


@pytest.mark.parametrize("scales", ["0", "1,,2", "nan", "1;2", "-1", "9", ""])
def test_scales_that_are_none_are_refused(scales: str) -> None:
    with pytest.raises(UsageError, match=r"--eval_scales=.*: expected numbers from 0.1 to 4"):
        EvaluationSettings(scales=scales)


def test_other_tasks_and_images_that_get_too_small_are_refused_before_the_training() -> None:
    assert EvaluationSettings().asked == ""
    assert EvaluationSettings().measured_in({})
    asked = EvaluationSettings(scales="0.5,1")
    assert asked.measured_in({"views": {"scales": [0.5, 1.0], "flip": False, "valid": None}})
    assert not any(asked.measured_in(one) for one in ({}, {"views": {"scales": [0.5, 1.0], "flip": True}}))
    task = Classification()
    classifiers = Networks(task, task.problem(["a", "b"]), Skeleton(cells=1, filters=4), (8, 8, 3))
    with pytest.raises(UsageError, match="--eval_flip is not possible with --task=classification; leave it out"):
        AveragedViews(EvaluationSettings(flip=True), classifiers, GENOTYPE)
    with pytest.raises(UsageError, match=r"--eval_scales=0\.1: at scale 0\.1, images of 4x4 pixels are too small"):
        AveragedViews(
            EvaluationSettings(scales="0.1"), Networks(TASK, PROBLEM, Skeleton(reductions=4), (*SIZE, 3)), GENOTYPE
        )
