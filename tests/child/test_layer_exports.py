"""Every kind of layer of dense prediction in every format, in processes that cannot import rl_nas."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import Agreement
from rl_nas.child.export.verification import verify
from rl_nas.child.export.writers import write_lite, write_onnx
from rl_nas.child.network.keras_model import build_model
from rl_nas.networks import layers
from rl_nas.networks.layers import BatchNorm, Conv, DepthwiseConv, GridPool, Relu, Resize
from rl_nas.networks.plan import Plan
from rl_nas.tasks.classification.serving import Classifier

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 18, 15, 3), np.uint8)
NAMES = ("a", "b", "c", "d")
MOST = {"float32": 1e-4, "int8": 0.1}


def dense_prediction() -> Plan:
    """Parallel branches on a map of 9 x 8 pixels; probabilities of the classes at every pixel of the image."""
    plan = Plan.of_image(IMAGES.shape[1:])
    stem = plan.add(Conv(6, (3, 3), strides=(2, 2), bias=True), plan.image, name="stem")
    frozen = plan.add(BatchNorm(0.9, 1e-3, frozen=True), stem, name="frozen")
    x = plan.add(Relu(), frozen, name="relu")
    branches = [
        plan.add(DepthwiseConv(3, rates), x, name="depthwise") for rates in ((1, 1), (2, 3), (6, 9), (21, 18), (9, 1))
    ]
    for corners in (False, True):
        pooled = [plan.add(GridPool(grid), x, name="grid") for grid in ((1, 1), (2, 4), (8, 8))]
        pooled.append(plan.add(layers.AveragePool((5, 4)), x, name="pool"))
        branches += [plan.add(Resize((9, 8), corners), each, name="resize") for each in pooled]
    for pooled in (layers.Pool("max", 2, 2), layers.Pool("max", 9, 9), layers.Pool("max", 3, 3)):
        coarse = plan.add(pooled, x, name="max_pool")
        finer = plan.add(Resize((9, 8), method="nearest"), coarse, name="nearest")
        branches.append(plan.add(layers.GlobalAttention(), finer, branches[0], name="attention"))
    joined = plan.add(layers.Concat(), *branches, name="concat")
    small = plan.add(Conv(len(NAMES), (1, 1), bias=True), joined, name="logits")
    large = plan.add(Resize((18, 16)), small, name="large")
    plan.outputs["logits"] = plan.add(layers.CropImage(IMAGES.shape[1:3]), large, name="crop")
    return plan


def served() -> Classifier:
    network = build_model(dense_prediction(), seed=1, name="network")
    statistics = [v for v in network.non_trainable_variables if v.path.startswith("frozen")]
    for seed, variable in enumerate(statistics):
        variable.assign(0.5 + np.random.default_rng(seed).uniform(size=variable.shape))
    return Classifier("classification", network, Normalization.unit(3), NAMES)


def compare(found: Mapping[str, Any], expected: Mapping[str, Any], targets: Any, arithmetic: str) -> Agreement:
    difference = float(np.max(np.abs(found["probabilities"] - expected["probabilities"])))
    complaint = None if difference <= MOST[arithmetic] else f"differs by {difference}"
    return Agreement({"max_difference": difference}, complaint)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "arithmetic"),
    [("keras", "float32"), ("tflite", "float32"), ("tflite", "int8"), ("onnx", "float32")],
)
def test_what_is_exported_predicts_the_same(kind: str, arithmetic: str, tmp_path: Path) -> None:
    serving, path = served(), tmp_path / f"model.{kind}"
    if kind == "keras":
        serving.keras_model().save(path)
    elif kind == "onnx":
        pytest.importorskip("tf2onnx")
        write_onnx(serving, path)
    else:
        write_lite(serving, path, arithmetic, IMAGES)
    expected = {name: np.asarray(value) for name, value in serving.predictions(tf.constant(IMAGES)).items()}
    assert np.ptp(expected["probabilities"]) > 0.5, "predictions that hardly differ tell nothing"
    verify(kind, path, IMAGES, None, expected, compare, arithmetic)
