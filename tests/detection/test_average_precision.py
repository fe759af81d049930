"""Average precision of detections, against COCO's tools called directly and where it is known."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pycocotools.coco
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools.cocoeval import COCOeval

from rl_nas.errors import UsageError
from rl_nas.metrics import check_names, quality_of
from rl_nas.tasks.detection.metric import DetectionMetric

NAMES = ("red", "white", "tiny", "absent")
SIZE = (240, 320)


def random_boxes(rng: np.random.Generator, count: int, size: Sequence[float]) -> np.ndarray:
    """Of all of COCO's sizes."""
    corner = rng.uniform(0, 0.7, [count, 2]) * size
    sides = np.exp(rng.uniform(np.log(8), np.log(min(size)), [count, 2]))
    return np.concatenate([corner, np.minimum(corner + sides, size)], axis=1)


def random_evidence(seed: int, images: int, ties: bool, most: int = 30, size: Sequence[int] = SIZE) -> dict[str, Any]:
    """Evidence of a split: some true boxes are found, some twice, crowds by many; ties: scores have few values."""
    rng, wide = np.random.default_rng(seed), 12
    evidence: dict[str, Any] = {
        "boxes": np.zeros([images, most, 4], np.float32),
        "scores": np.zeros([images, most], np.float32),
        "classes": np.zeros([images, most], np.int32),
        "count": rng.integers(0, most + 1, images).astype(np.int32),
        "true_boxes": np.zeros([images, wide, 4], np.float32),
        "true_labels": np.full([images, wide], -1, np.int32),
        "ignore": np.zeros([images, wide], bool),
        "area": np.zeros([images, wide], np.float32),
        "size": rng.integers(100, 900, [images, 2]).astype(np.float32),
        "weight": np.ones([images], np.float32),
        "loss": np.float32(3.0 * images),
    }
    for number in range(images):
        real, found = int(rng.integers(0, wide + 1)), int(evidence["count"][number])
        boxes, labels = random_boxes(rng, real, size), rng.integers(0, 3, real)
        evidence["true_boxes"][number, :real], evidence["true_labels"][number, :real] = boxes, labels
        evidence["ignore"][number, :real] = rng.random(real) < 0.2
        factors = evidence["size"][number] / size
        evidence["area"][number, :real] = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * factors.prod() * 0.9
        guesses, classes = random_boxes(rng, found, size), rng.integers(0, 4, found)
        if real:
            near = rng.integers(0, real, found)
            taken = rng.random(found) < 0.7
            guesses[taken] = boxes[near[taken]] + rng.normal(0, 4, [taken.sum(), 4])
            classes[taken] = labels[near[taken]]
        evidence["boxes"][number, :found], evidence["classes"][number, :found] = guesses, classes
        scores = rng.random(found)
        evidence["scores"][number, :found] = np.sort(np.round(scores, 1) if ties else scores)[::-1]
    return evidence


def part(evidence: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    loss = np.float32(3.0 * sum(evidence["weight"][place] > 0 for place in places))
    return {name: loss if name == "loss" else values[list(places)] for name, values in evidence.items()}


def measured(*batches: Mapping[str, Any], names: Sequence[str] = NAMES, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    metric = DetectionMetric(names, size)
    for batch in batches:
        metric.add(batch)
    return metric.result()


def coco_stats(evidence: Mapping[str, Any], data: Any, evaluator: Any) -> np.ndarray:
    """The twelve numbers of COCO's own summary, from dictionaries that were made another way."""
    images = range(len(evidence["boxes"]))
    factors = evidence["size"].astype(np.float64) / SIZE
    true, found = [], []
    for image in images:
        (y, x), place = factors[image], {"image_id": image + 1}
        for box, label, crowd, area in zip(
            *(evidence[name][image].tolist() for name in ("true_boxes", "true_labels", "ignore", "area")), strict=True
        ):
            if label >= 0:
                bbox = [box[1] * x, box[0] * y, box[3] * x - box[1] * x, box[2] * y - box[0] * y]
                kind = {"category_id": label + 1, "iscrowd": int(crowd)}
                true.append({"id": len(true) + 1, "bbox": bbox, "area": area, **place, **kind})
        for number in range(evidence["count"][image]):
            box = evidence["boxes"][image, number].tolist()
            bbox = [box[1] * x, box[0] * y, box[3] * x - box[1] * x, box[2] * y - box[0] * y]
            kind = {"category_id": int(evidence["classes"][image, number]) + 1}
            found.append({"bbox": bbox, "score": float(evidence["scores"][image, number]), **place, **kind})
    truth = data()
    truth.dataset = {
        "images": [{"id": image + 1, "height": 1, "width": 1} for image in images],
        "categories": [{"id": number + 1, "name": name} for number, name in enumerate(NAMES)],
        "annotations": true,
    }
    truth.createIndex()
    evaluation = evaluator(truth, truth.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return np.asarray(evaluation.stats)


def without_the_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)


@pytest.mark.parametrize(("seed", "ties"), [(0, False), (1, True), (2, True)])
def test_the_figures_are_those_of_cocos_tools(seed: int, ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = random_evidence(seed, 40, ties)
    expected = coco_stats(evidence, pycocotools.coco.COCO, COCOeval)
    np.testing.assert_allclose(coco_stats(evidence, COCO, COCOeval_faster)[:12], expected, rtol=0, atol=1e-12)
    fast = measured(evidence)
    without_the_fast_one(monkeypatch)
    slow = measured(evidence)
    sizes = ("AP/small", "AP/medium", "AP/large")
    for figures in (fast, slow):
        assert list(figures) == ["mAP", "AP50", "AP75", "loss", *sizes, "AP/red", "AP/white", "AP/tiny"]
        found = [figures[name] for name in ("mAP", "AP50", "AP75", *sizes)]
        np.testing.assert_allclose(found, expected[:6], rtol=0, atol=1e-12)
        assert figures["mAP"] == pytest.approx(np.mean([figures[f"AP/{name}"] for name in NAMES[:3]]))
        assert figures["loss"] == 3.0
        assert {type(value) for value in figures.values()} == {float}
    assert quality_of(fast) == ("mAP", fast["mAP"])
    check_names("metric", fast)


def test_the_curves_of_classes_have_the_average_precisions_as_means() -> None:
    evidence = random_evidence(0, 40, ties=False)
    metric = DetectionMetric(NAMES, SIZE)
    metric.add(evidence)
    figures, results = metric.result(), metric.of_classes()
    curves = [one.precision for one in results.classes if one.precision]
    assert [len(curve) for curve in curves] == [101] * 3
    assert figures["AP50"] == pytest.approx(np.mean(curves))
    assert all(list(curve) == sorted(curve, reverse=True) for curve in curves)
    counted = evidence["true_labels"][~evidence["ignore"]]
    assert [(one.name, one.actual) for one in results.classes] == [
        (name, int((counted == number).sum())) for number, name in enumerate(NAMES)
    ]
    assert results.classes[3].precision == ()  # there is none of it


def test_batches_may_have_any_size_and_order() -> None:
    evidence = random_evidence(3, 23, ties=False)
    whole, places = measured(evidence), list(range(23))
    assert measured(*(part(evidence, [place]) for place in places)) == whole
    assert measured(*(part(evidence, places[start : start + 8]) for start in (16, 0, 8))) == whole
    assert measured(part(evidence, places[::-1])) == whole
    tied = random_evidence(3, 23, ties=True)
    assert measured(part(tied, places[:5]), part(tied, places[5:])) == measured(tied)


def test_images_that_fill_up_a_batch_do_not_count() -> None:
    evidence = random_evidence(4, 12, ties=False)
    evidence["weight"][8:] = 0
    filled = part(evidence, range(12))
    assert measured(filled) == measured(part(evidence, range(8)))


def one_image(
    true: Sequence[Sequence[float]], found: Sequence[Sequence[float]], scores: Sequence[float] = (), **other: Any
) -> dict[str, Any]:
    """Evidence of an image of the network's size; all boxes are of class 0."""
    boxes = np.array([true], np.float32).reshape(1, -1, 4)
    guesses = np.array([found], np.float32).reshape(1, -1, 4)
    count = guesses.shape[1]
    return {
        "boxes": guesses,
        "scores": np.array([scores or np.linspace(0.9, 0.1, count)], np.float32),
        "classes": np.zeros([1, count], np.int32),
        "count": np.array([count], np.int32),
        "true_boxes": boxes,
        "true_labels": np.zeros(boxes.shape[:2], np.int32),
        "ignore": np.zeros(boxes.shape[:2], bool),
        "area": np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1),
        "size": np.array([SIZE], np.float32),
        "weight": np.ones([1], np.float32),
        "loss": np.float32(1),
        **other,
    }


BOX = (10, 20, 110, 120)


def test_a_perfect_detection_has_every_figure_1() -> None:
    assert measured(one_image([BOX], [BOX])) == {
        **dict.fromkeys(("mAP", "AP50", "AP75", "AP/large", "AP/red"), 1.0),
        "loss": 1.0,
    }


@pytest.mark.parametrize(("iou", "precision"), [(0.49, 0.0), (0.52, 0.1), (0.71, 0.5), (0.88, 0.8), (0.99, 1.0)])
def test_a_shifted_detection_counts_for_the_thresholds_below_its_overlap(iou: float, precision: float) -> None:
    shift = 100 * (1 - iou) / (1 + iou)  # of two squares of side 100: (100 - shift) / (100 + shift) = iou
    figures = measured(one_image([BOX], [(10 + shift, 20, 110 + shift, 120)]))
    assert figures["mAP"] == pytest.approx(precision)
    assert figures["AP50"] == float(iou > 0.5)
    assert figures["AP75"] == float(iou > 0.75)


def test_a_false_detection_matters_if_its_score_is_higher() -> None:
    elsewhere = (130, 200, 230, 300)
    assert measured(one_image([BOX], [BOX, elsewhere]))["mAP"] == 1
    assert measured(one_image([BOX], [elsewhere, BOX]))["mAP"] == pytest.approx(0.5)
    assert measured(one_image([BOX, elsewhere], [BOX]))["mAP"] == pytest.approx(51 / 101)  # of recalls 0, .01, ..., 1
    assert measured(one_image([BOX], [BOX, BOX]))["mAP"] == 1
    assert measured(one_image([BOX, elsewhere], [BOX, BOX, elsewhere]))["mAP"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_boxes_are_measured_in_pixels_of_the_original_image() -> None:
    """Sizes are of the original; the overlap stays as it is, however images are stretched."""
    true, shifted = (0, 0, 30, 30), (0, 0, 24, 30)
    for factors, name in (((1, 1), "small"), ((4, 1), "medium"), ((5, 4), "large")):
        area = np.array([[900.0 * np.prod(factors)]])
        figures = measured(one_image([true], [shifted], size=np.array([SIZE], np.float32) * factors, area=area))
        assert figures[f"AP/{name}"] == figures["mAP"] == pytest.approx(0.7)
        assert not {"AP/small", "AP/medium", "AP/large"} - {f"AP/{name}"} & figures.keys()


def test_ignored_boxes_need_not_be_found_and_take_any_number_of_detections() -> None:
    crowd, inside = (0, 0, 200, 200), [(0, 0, 40, 40), (50, 50, 90, 90), (100, 100, 150, 150)]
    apart = (205, 210, 235, 310)
    both = one_image([crowd, apart], [*inside, apart], ignore=np.array([[True, False]]))
    assert measured(both)["mAP"] == 1
    assert measured(one_image([crowd, apart], [*inside, apart]))["mAP"] < 0.5


def test_no_detections_are_zeros() -> None:
    evidence = one_image([BOX], [])
    assert measured(evidence, evidence) == {
        **dict.fromkeys(("mAP", "AP50", "AP75", "AP/large", "AP/red"), 0.0),
        "loss": 1.0,
    }


def test_no_detections_are_zeros_for_both_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = measured(one_image([BOX], []))
    without_the_fast_one(monkeypatch)
    assert measured(one_image([BOX], [])) == fast


def test_detections_in_images_without_boxes_are_false() -> None:
    empty, sure, unsure = one_image([], [BOX], [0.8]), one_image([BOX], [BOX], [0.9]), one_image([BOX], [BOX], [0.7])
    assert measured(sure, empty)["mAP"] == 1
    assert measured(unsure, empty)["mAP"] == measured(empty, unsure)["mAP"] == pytest.approx(0.5)


@pytest.mark.parametrize("ignore", [[], [BOX]])
def test_a_split_without_boxes_has_no_figures(ignore: list[Sequence[float]]) -> None:
    evidence = one_image(ignore, [BOX], ignore=np.ones([1, len(ignore)], bool))
    with pytest.raises(UsageError, match=r"^none of the 2 measured images has a box that is to be found; [^\n]*$"):
        measured(evidence, evidence)


def test_what_is_no_number_is_no_detection() -> None:
    wrong = [(np.nan, 20, 110, 120), (10, 20, np.inf, 120), BOX]
    assert measured(one_image([BOX], wrong, [0.9, 0.9, np.nan]))["mAP"] == 0
    assert measured(one_image([BOX], [*wrong, BOX], [0.9, 0.9, np.nan, 0.1]))["mAP"] == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("a", "b"), "AP/a"), (("a", "a"), "AP/0 a"), (("small", "b"), "AP/0 small"), (("a/b", ""), "AP/a/b")],
)
def test_no_two_figures_share_a_name(names: tuple[str, ...], expected: str) -> None:
    figures = measured(one_image([BOX], [BOX]), names=names)
    assert list(figures)[-1] == expected
    assert len(figures) == 6


def test_without_a_package_the_metric_says_at_once_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_fast_one(monkeypatch)
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(UsageError, match=r"pycocotools for its figures: pip install .*\[detection\]'$"):
        DetectionMetric(NAMES, SIZE)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    measured(one_image([BOX], [BOX]))
    without_the_fast_one(monkeypatch)
    measured(one_image([BOX], [BOX]))
    assert capfd.readouterr() == ("", "")
