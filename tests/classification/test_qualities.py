"""Qualities of classifiers, against scikit-learn's, and images that only fill a batch."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from rl_nas.tasks.classification.objective import ClassificationMetric, CrossEntropy
from rl_nas.tasks.classification.settings import ClassificationSettings

ORACLES = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "macro_f1": lambda actual, predicted: metrics.f1_score(actual, predicted, average="macro"),
}


def softmax(logits: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(logits.astype(np.float64))
    return powers / powers.sum()


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("quality", ORACLES)
@pytest.mark.parametrize("seed", range(5))
def test_the_quality_is_that_of_scikit_learn(quality: str, seed: int) -> None:
    rng, classes = np.random.default_rng(seed), 7
    labels = rng.choice(classes, 90, p=[0.5, 0.3, 0.1, 0.05, 0.05, 0.0, 0.0])  # two classes have no images
    logits = rng.normal(size=(90, classes)).astype(np.float32) + 2 * np.eye(classes, dtype=np.float32)[labels]
    weights = np.r_[np.ones(80), np.zeros(10)].astype(np.float32)  # the last images only fill a batch
    objective = CrossEntropy(ClassificationSettings(metric=quality), classes)
    metric = ClassificationMetric(classes, quality)
    for part in np.array_split(np.arange(90), 4):
        evidence = objective.evidence(
            tf.constant(labels[part]), {"logits": tf.constant(logits[part])}, tf.constant(weights[part])
        )
        metric.add({name: value.numpy() for name, value in evidence.items()})
    found = metric.result()
    assert next(iter(found)) == quality
    assert found[quality] == pytest.approx(ORACLES[quality](labels[:80], logits[:80].argmax(axis=1)))
    assert found["accuracy"] == pytest.approx(ORACLES["accuracy"](labels[:80], logits[:80].argmax(axis=1)))
    results, matrix = metric.of_classes(), np.zeros((classes, classes), int)
    for actual, predicted, count in results.confused:
        matrix[actual, predicted] = count
    matrix[np.diag_indices(classes)] = [one.right for one in results.classes]
    expected = metrics.confusion_matrix(labels[:80], logits[:80].argmax(axis=1), labels=range(classes))
    np.testing.assert_array_equal(matrix, expected)
    losses = [metrics.log_loss([labels[n]], [softmax(logits[n])], labels=range(classes)) for n in range(80)]
    assert results.worst == tuple(np.argsort(losses)[::-1][:4])
    assert [(one.name, one.actual, one.predicted) for one in results.classes] == [
        (str(number), expected[number].sum(), expected[:, number].sum()) for number in range(classes)
    ]


def test_always_the_most_frequent_class_is_accurate_and_worth_nothing() -> None:
    sums = dict(zip(("images", "right", "among", "loss"), np.array([100.0, 90.0, 100.0, 50.0]), strict=True))
    labels, predicted = np.repeat(np.arange(2, dtype=np.int32), [90, 10]), np.zeros(100, np.int32)
    metric = ClassificationMetric(2, "balanced_accuracy")
    images = {"labels": labels, "predicted": predicted, "losses": predicted / 2, "counted": np.ones(100)}
    metric.add({**sums, **images})
    assert metric.result() == {"balanced_accuracy": 0.5, "accuracy": 0.9, "loss": 0.5}
