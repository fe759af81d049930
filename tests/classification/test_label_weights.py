"""Weights of classes: those of scikit-learn, a weighted loss as Keras has it, and its gradient."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from rl_nas.errors import UsageError
from rl_nas.tasks.classification.objective import cross_entropy
from rl_nas.tasks.classification.task import Classification, balanced_weights
from rl_nas.tasks.task import Problem

NAMES = ("rare", "common", "absent")


def weights(choice: str, labels: np.ndarray) -> tuple[float, ...] | None:
    task = Classification()
    problem = task.problem(NAMES, {"class_weights": choice})
    found: Problem = task.on_targets(problem, lambda: np.array_split(labels, 3), print)
    return found.facts.get("class_weights")


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = np.repeat([0, 1], [7, 93])
    found = weights("auto", labels)
    assert found is not None
    assert found[:2] == pytest.approx(compute_class_weight("balanced", classes=np.array([0, 1]), y=labels))
    assert found[2] == 0
    assert np.mean(np.asarray(found)[labels]) == pytest.approx(1)
    assert weights("none", labels) is None
    assert balanced_weights(np.array([5, 5, 5])) == (1, 1, 1)


def test_weights_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "weights.txt").write_text("common 1\nrare 5\nabsent 0\n")
    assert weights(str(tmp_path / "weights.txt"), np.zeros(3, int)) == (5, 1, 0)
    with pytest.raises(UsageError, match="No such file"):
        weights(str(tmp_path / "none.txt"), np.zeros(3, int))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_and_its_gradient(smoothing: float, mixed: bool) -> None:
    rng, of_classes = np.random.default_rng(0), np.array([5.0, 0.5, 2.0], np.float32)
    labels = rng.integers(3, size=20)
    targets = rng.dirichlet(np.ones(3), 20).astype(np.float32) if mixed else np.eye(3, dtype=np.float32)[labels]
    logits = tf.Variable(rng.normal(size=(20, 3)).astype(np.float32))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    with tf.GradientTape() as tape:
        expected = loss(targets, logits, sample_weight=targets @ of_classes)
    given = tf.constant(targets) if mixed else tf.constant(labels)
    found, gradient = cross_entropy(given, logits, smoothing, of_classes)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(gradient, tape.gradient(expected, logits), atol=1e-6)
