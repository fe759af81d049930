"""Figures of masks from confusion matrices."""

import json
import math

import keras
import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.metrics import check_names, quality_of
from rl_nas.tasks.segmentation.metric import SegmentationMetric


def measured(
    confusion: object, loss: float = 0.0, names: tuple[str, ...] = ("sky", "road", "tree")
) -> dict[str, float]:
    metric = SegmentationMetric(names)
    metric.add({"confusion": np.array(confusion, np.int64), "loss": np.float64(loss)})
    return metric.result()


def test_the_figures_of_a_small_matrix() -> None:
    assert measured([[3, 1, 0], [2, 4, 0], [0, 1, 5]], loss=8.0) == {
        "mIoU": pytest.approx((3 / 6 + 4 / 8 + 5 / 6) / 3),
        "pixel_accuracy": 12 / 16,
        "loss": 0.5,
        "IoU/sky": 3 / 6,
        "IoU/road": 4 / 8,
        "IoU/tree": 5 / 6,
    }


def test_the_quality_is_the_mean_intersection_over_union() -> None:
    figures = measured(np.eye(3))
    assert quality_of(figures) == ("mIoU", 1.0)
    assert list(figures)[:3] == ["mIoU", "pixel_accuracy", "loss"]
    check_names("metric", figures)


def test_a_class_without_pixels_and_predictions_is_left_out() -> None:
    figures = measured([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert "IoU/tree" not in figures
    assert figures["mIoU"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_a_class_that_is_only_predicted_counts_0() -> None:
    figures = measured([[3, 0, 1], [0, 4, 0], [0, 0, 0]])
    assert figures["IoU/tree"] == 0
    assert figures["mIoU"] == pytest.approx((3 / 4 + 1 + 0) / 3)


def test_the_quality_is_that_of_keras() -> None:
    """Also where some classes are only predicted, or do not occur at all."""
    rng = np.random.default_rng(0)
    for classes, held, guessed in ((2, 2, 2), (7, 7, 7), (7, 4, 6), (7, 6, 4)):
        targets, predictions = rng.integers(0, held, 500), rng.integers(0, guessed, 500)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (targets, predictions), 1)
        expected = keras.metrics.MeanIoU(classes)
        expected.update_state(targets, predictions)
        figures = measured(confusion, names=tuple(map(str, range(classes))))
        assert figures["mIoU"] == pytest.approx(float(expected.result()), rel=1e-6)
        assert figures["pixel_accuracy"] == pytest.approx(np.mean(targets == predictions))


def test_counts_beyond_float32_are_exact() -> None:
    many = 2**40
    metric = SegmentationMetric(("sky", "road"))
    for _ in range(3):
        metric.add({"confusion": np.array([[many, 0], [0, 1]]), "loss": np.float64(0)})
    metric.add({"confusion": np.array([[0, 0], [1, 0]]), "loss": np.float64(0)})
    figures = metric.result()
    assert figures["IoU/road"] == 3 / 4
    assert figures["pixel_accuracy"] == (3 * many + 3) / (3 * many + 4) < 1
    results = metric.of_classes()
    assert [(one.name, one.actual, one.predicted, one.right) for one in results.classes] == [
        ("sky", 3 * many, 3 * many + 1, 3 * many),
        ("road", 4, 3, 3),
    ]
    assert (results.unit, results.confused, results.left_out) == ("pixels", ((1, 0, 1),), 0)


def test_batches_may_be_added_in_any_order() -> None:
    rng = np.random.default_rng(1)
    batches = [{"confusion": rng.integers(0, 9, (3, 3)), "loss": np.float64(rng.integers(9))} for _ in range(6)]
    results = []
    for order in (batches, batches[::-1], [{k: np.sum([b[k] for b in batches], axis=0) for k in batches[0]}]):
        metric = SegmentationMetric(("sky", "road", "tree"))
        for batch in order:
            metric.add(batch)
        results.append(metric.result())
    assert results[0] == results[1] == results[2]


def test_figures_are_finite_numbers_for_json() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        confusion = rng.integers(0, 2, (3, 3)) * rng.integers(0, 1000, (3, 3))
        confusion[0, 0] += 1
        figures = measured(confusion, loss=float(rng.random()))
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures
        assert all(type(value) is float and math.isfinite(value) for value in figures.values())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a/b", "", "é\n"), ["IoU/a/b", "IoU/", "IoU/é\n"]),
        (("tree", "sky", "tree"), ["IoU/0 tree", "IoU/1 sky", "IoU/2 tree"]),
        (("a", "a", "1 a"), ["IoU/0 a", "IoU/1 a", "IoU/2 1 a"]),
    ],
)
def test_no_two_classes_share_a_figure(names: tuple[str, ...], expected: list[str]) -> None:
    assert list(measured(np.eye(3), names=names))[3:] == expected


def test_a_split_without_labeled_pixels_has_no_figures() -> None:
    with pytest.raises(UsageError, match=r"^no pixel of the measured masks is labeled; expected [^\n]*$"):
        measured(np.zeros((3, 3)))
