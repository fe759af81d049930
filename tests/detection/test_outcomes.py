"""Which detections are right, against COCO's matching and by hand."""

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from test_average_precision import NAMES, part, random_evidence

from rl_nas.tasks.detection.coco import average_precisions, coco_boxes
from rl_nas.tasks.detection.outcomes import match
from rl_nas.tasks.detection.overlaps import covered, ious, suppressed
from rl_nas.tasks.detection.records import Detections, Truth, detections, true_boxes


def images(seed: int, count: int = 30) -> list[tuple[Truth, Detections]]:
    evidence, found = random_evidence(seed, count, ties=False), []
    for number in range(count):
        one = {name: values[0] for name, values in part(evidence, [number]).items() if name != "loss"}
        target = {**one, "boxes": one["true_boxes"], "labels": one["true_labels"]}
        found.append((true_boxes(target), detections(one)))
    return found


def test_overlaps_are_those_of_cocos_tools() -> None:
    for truth, found in images(0):
        if len(truth.boxes) and len(found.boxes):
            for crowd, own in ((0, ious), (1, covered)):
                boxes = (coco_boxes(one.boxes) for one in (found, truth))
                expected = coco_masks.iou(*boxes, [crowd] * len(truth.boxes))
                np.testing.assert_allclose(own(found.boxes, truth.boxes), expected, atol=1e-12)


def test_empty_boxes_overlap_nothing() -> None:
    empty = np.array([[5.0, 5, 5, 9], [5, 5, 5, 5], [9, 9, 5, 5]])
    assert not ious(empty, empty).any()
    assert not covered(empty, np.array([[0.0, 0, 10, 10]])).any()


@pytest.mark.parametrize("seed", range(3))
def test_every_detection_and_every_box_has_one_outcome(seed: int) -> None:
    for truth, found in images(seed):
        right, false, hit, missed = match(truth, found)
        assert not (right & false).any()
        assert right.sum() == hit.sum()
        assert not hit[truth.ignore].any()
        np.testing.assert_array_equal(hit ^ missed, ~truth.ignore)
        for number in np.flatnonzero(~right & ~false):
            same = truth.ignore & (truth.labels == found.classes[number])
            assert covered(found.boxes[number : number + 1], truth.boxes[same]).max() >= 0.5


@pytest.mark.parametrize("seed", range(3))
def test_images_without_a_fault_are_those_whose_precision_is_1(seed: int) -> None:
    """COCO's average precision at 0.5 is 1 if all boxes are found before the first false detection."""
    perfect = 0
    for truth, found in images(seed, 60):
        outcomes = match(truth, found)
        sure = found.above(found.scores[outcomes.right].min(initial=2) if outcomes.right.any() else 2)
        again = match(truth, sure)
        figures = average_precisions([truth], [sure], NAMES)
        if figures:
            assert (figures["AP50"] == 0) == (not again.right.any())
            if again.f1 == 1:
                assert figures["AP50"] == 1
                perfect += 1
    assert perfect


def truth_of(*boxes: tuple[float, ...], labels: tuple[int, ...] = (), ignore: tuple[bool, ...] = ()) -> Truth:
    count = len(boxes)
    labels, ignore = labels or (0,) * count, ignore or (False,) * count
    return Truth(np.array(boxes, float).reshape(-1, 4), np.array(labels, int), np.array(ignore, bool), np.ones(count))


def found_at(*boxes: tuple[float, ...], classes: tuple[int, ...] = ()) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, float).reshape(-1, 4), np.linspace(0.9, 0.5, count), np.array(classes or (0,) * count, int)
    )


BOX, NEAR, FAR = (0, 0, 10, 10), (0, 1, 10, 11), (50, 50, 60, 60)


def test_outcomes_by_hand() -> None:
    assert match(truth_of(BOX, FAR), found_at(NEAR, BOX)).f1 == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert match(truth_of(BOX), found_at(BOX, classes=(1,))).f1 == 0
    assert match(truth_of(), found_at(BOX)).f1 == 0
    assert match(truth_of(BOX), found_at()).f1 == 0
    assert match(truth_of(), found_at()).f1 is None
    assert match(truth_of(BOX, ignore=(True,)), found_at(BOX, NEAR, (2, 2, 8, 8))).f1 is None
    assert match(truth_of(BOX, NEAR), found_at(NEAR, BOX)).f1 == 1


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.5, 1.0])
def test_suppression_leaves_no_two_close_detections_of_a_class(iou: float) -> None:
    for _, found in images(1):
        left = suppressed(found, iou)
        kept = {tuple(box) for box in left.boxes.tolist()}
        close = ious(found.boxes, left.boxes) > iou
        for number, box in enumerate(found.boxes.tolist()):
            surer = (left.scores > found.scores[number]) & (left.classes == found.classes[number])
            assert (tuple(box) in kept) == (not (close[number] & surer).any())
