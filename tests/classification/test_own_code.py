"""Losses and qualities of the user's own, against the built-in ones and scikit-learn's."""

import sys
import types
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from rl_nas.errors import UsageError
from rl_nas.tasks.catalog import TASKS
from rl_nas.tasks.classification.objective import CrossEntropy
from rl_nas.tasks.classification.settings import ClassificationSettings
from rl_nas.tasks.segmentation.settings import SegmentationSettings

CLASSES, RNG = 6, np.random.default_rng(0)
NAMES = tuple("abcdef")
LOGITS = RNG.normal(size=(40, CLASSES)).astype(np.float32)
LABELS = np.tile(np.arange(CLASSES), 7)[:40]
TASK = TASKS["classification"]


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's."""
    module: Any = types.ModuleType("mine")
    module.entropies = keras.losses.categorical_crossentropy
    module.mean = lambda targets, probabilities: -tf.reduce_mean(tf.math.log(probabilities) * targets) * CLASSES
    module.Focal = keras.losses.CategoricalFocalCrossentropy
    module.of_logits = keras.losses.CategoricalCrossentropy(from_logits=True)
    module.fails = keras.losses.sparse_categorical_crossentropy
    module.whole = lambda targets, probabilities: targets * probabilities
    module.constant = lambda targets, probabilities: tf.zeros(len(targets))
    module.infinite = lambda targets, probabilities: probabilities[:, 0] / 0
    module.unary = lambda targets: targets
    module.number = 3
    module.auc = lambda labels, probabilities: metrics.roc_auc_score(labels, probabilities, multi_class="ovr")
    module.Top2 = type("Top2", (keras.metrics.SparseTopKCategoricalAccuracy,), {"__init__": top2})
    module.text = lambda labels, probabilities: "good"
    module.accuracy = lambda labels, probabilities: 1.0
    module.reward = lambda labels, probabilities: 1.0
    monkeypatch.setitem(sys.modules, "mine", module)


def top2(metric: Any) -> None:
    keras.metrics.SparseTopKCategoricalAccuracy.__init__(metric, k=2)


def loss_of(settings: ClassificationSettings, weights: Any = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    objective = CrossEntropy(settings, CLASSES, weights)
    outputs = {"logits": tf.constant(LOGITS), "auxiliary": tf.constant(LOGITS[::-1])}
    loss, gradients = tf.function(objective.loss)(tf.constant(LABELS), outputs)
    return loss.numpy(), {name: value.numpy() for name, value in gradients.items()}


@pytest.mark.parametrize(
    "settings",
    [{}, {"label_smoothing": 0.2}, {"class_weights": "auto", "label_smoothing": 0.1}, {"auxiliary_weight": 0.1}],
)
def test_an_own_cross_entropy_is_the_built_in_one(settings: dict[str, Any]) -> None:
    weights = [0.5, 1, 2, 1, 1, 0.1] if "class_weights" in settings else None
    loss, gradients = loss_of(ClassificationSettings(**settings), weights)
    own_loss, own = loss_of(ClassificationSettings(loss="mine:entropies", **settings), weights)
    assert own_loss == pytest.approx(loss, rel=1e-5)
    for name in ("logits", "auxiliary"):
        np.testing.assert_allclose(own[name], gradients[name], atol=1e-6)


def test_a_mean_and_a_class_of_keras_are_losses() -> None:
    assert loss_of(ClassificationSettings(loss="mine:mean"))[0] == pytest.approx(
        loss_of(ClassificationSettings())[0], rel=1e-5
    )
    expected = keras.losses.CategoricalFocalCrossentropy()(np.eye(CLASSES)[LABELS], tf.nn.softmax(LOGITS))
    assert loss_of(ClassificationSettings(loss="mine:Focal"))[0] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "quality", "oracle"),
    [
        ("mine:auc", "auc", lambda labels, chances: metrics.roc_auc_score(labels, chances, multi_class="ovr")),
        ("mine:Top2", "Top2", lambda labels, chances: metrics.top_k_accuracy_score(labels, chances, k=2)),
    ],
)
def test_an_own_quality_is_exact_over_the_split(name: str, quality: str, oracle: Any) -> None:
    settings = {"metric": name, "loss": "mine:entropies"}
    problem = TASK.problem(NAMES, settings)
    objective, weights = TASK.objective(problem), np.r_[np.ones(33), np.zeros(7)].astype(np.float32)
    for _ in range(2):  # one object counts nothing of the split before
        metric = TASK.metric(problem)
        for part in np.array_split(np.arange(40), 3):
            evidence = objective.evidence(
                tf.constant(LABELS[part]), {"logits": tf.constant(LOGITS[part])}, tf.constant(weights[part])
            )
            assert {"labels", "probabilities", "counted"} <= objective.joined
            metric.add({key: value.numpy() for key, value in evidence.items()})
        found = metric.result()
        assert list(found) == [quality, "accuracy", "cross_entropy", "top5_accuracy"]
        assert found[quality] == pytest.approx(oracle(LABELS[:33], tf.nn.softmax(LOGITS[:33]).numpy()), rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"loss": "mine:absent"}, "--loss=mine:absent: module mine has no absent"),
        ({"loss": "mine:number"}, "--loss=mine:number is int; expected a function of one-hot targets and probab"),
        ({"loss": "mine:unary"}, "--loss=mine:unary takes"),
        ({"loss": "mine:of_logits"}, "is for logits, but gets probabilities; leave out from_logits=True"),
        ({"loss": "mine:fails"}, r"--loss=mine:fails failed on made-up images \(\w*Error: .*; expected a function"),
        ({"loss": "mine:whole"}, r"returns numbers of shape \(12, 6\); expected a loss for each image, or their mean"),
        ({"loss": "mine:mean", "class_weights": "auto"}, "a loss for each image, as --class_weights multiply them"),
        ({"loss": "mine:constant"}, "--loss=mine:constant has no gradient on made-up images"),
        ({"loss": "mine:infinite"}, "has a loss or a gradient that is not finite on made-up images"),
        ({"loss": "dice"}, "--loss=dice is for masks; expected cross_entropy, or module:NAME of your own"),
        ({"loss": "dic"}, "--loss=dic: expected one of cross_entropy, focal, dice, or module:NAME of your own"),
        ({"metric": "f1"}, "--metric=f1: expected one of accuracy, balanced_accuracy, macro_f1, or module:NAME"),
        ({"metric": "mine:text"}, r"--metric=mine:text failed on made-up images \(ValueError: .* returns a number"),
        ({"metric": "mine:accuracy"}, "has the name of another figure; rename the function"),
        ({"metric": "mine:reward"}, "metric 'reward' of the task has the name of another figure"),
        ({"metric": "mine:unary"}, "--metric=mine:unary takes"),
    ],
)
def test_code_that_does_not_work_is_refused_before_it_is_used(flags: dict[str, str], message: str) -> None:
    def check() -> None:
        SegmentationSettings(loss=flags.get("loss", "focal"))  # a command line has the flags of all tasks
        TASK.check(TASK.problem(NAMES, flags))

    with pytest.raises(UsageError, match=message):
        check()


def test_what_is_built_in_needs_no_module() -> None:
    for flags in ({}, {"metric": "macro_f1"}, {"class_weights": "auto"}):
        TASK.check(TASK.problem(NAMES, flags))
    segmentation = TASKS["segmentation"]
    segmentation.check(segmentation.problem(NAMES, {"loss": "focal"}))
    with pytest.raises(UsageError, match="losses of your own are for classes of images; expected one of cross_entropy"):
        segmentation.check(segmentation.problem(NAMES, {"loss": "mine:entropies"}))


def test_the_settings_of_a_trained_network_import_nothing() -> None:
    problem = TASK.problem(NAMES, {"loss": "absent_module:loss", "metric": "absent_module:metric"})
    assert problem.of(ClassificationSettings).loss == "absent_module:loss"
    assert TASK.head(problem).classes == CLASSES
