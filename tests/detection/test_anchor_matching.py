"""Boxes of anchors against a slow search, and rules by example."""

import numpy as np
import pytest
import tensorflow as tf
from random_boxes import iou_of, random_boxes

from rl_nas.tasks.detection.matching import NEGATIVE, NEITHER, match, matched_boxes, matched_labels


def by_hand(boxes: np.ndarray, labels: np.ndarray, ignore: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The boxes of the anchors of one image, anchor by anchor."""
    real = [number for number, label in enumerate(labels) if label >= 0 and not ignore[number]]
    crowds = [number for number, label in enumerate(labels) if label >= 0 and ignore[number]]
    forced: dict[int, list[int]] = {}
    for number in real:
        overlaps = [iou_of(boxes[number], anchor) for anchor in anchors]
        if max(overlaps) > 0:
            forced.setdefault(int(np.argmax(overlaps)), []).append(number)
    matched = []
    for index, anchor in enumerate(anchors):
        candidates = forced.get(index, real)
        overlaps = [iou_of(boxes[number], anchor) for number in candidates]
        best = max(overlaps, default=0.0)
        covered = any(part_inside(anchor, boxes[number]) >= 0.5 for number in crowds)
        if index in forced or best >= 0.5:
            matched.append(candidates[int(np.argmax(overlaps))])
        else:
            matched.append(NEITHER if best >= 0.4 or covered else NEGATIVE)
    return np.array(matched)


def part_inside(anchor: np.ndarray, box: np.ndarray) -> float:
    inner = np.concatenate([np.maximum(anchor[:2], box[:2]), np.minimum(anchor[2:], box[2:])])
    return float(np.prod(np.maximum(inner[2:] - inner[:2], 0)) / np.prod(anchor[2:] - anchor[:2]))


def example(seed: int, images: int = 4, most: int = 6, anchors: int = 60) -> tuple[np.ndarray, ...]:
    """Boxes with padding and ignored ones among them, the first image without any; and anchors."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 3, (images, most)).astype(np.int32)
    labels[0] = -1
    boxes = random_boxes(rng, images, most)
    boxes[:, -1] = boxes[:, 0]  # two boxes at one place want the same anchor
    return boxes, labels, rng.random((images, most)) < 0.3, random_boxes(rng, anchors)


@pytest.mark.parametrize("seed", range(12))
def test_matches_are_those_of_a_slow_search(seed: int) -> None:
    boxes, labels, ignore, anchors = example(seed)
    expected = [by_hand(*image, anchors) for image in zip(boxes, labels, ignore, strict=True)]
    for compiled in (False, True) if seed < 2 else (False,):
        function = tf.function(match, autograph=False, jit_compile=compiled)
        found = function(*map(tf.constant, (boxes, labels, ignore, anchors)))
        assert found.dtype == tf.int32
        np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 4, "positives of several boxes, negatives and neither"


def matched(
    anchors: list[object], *boxes: tuple[float, ...], labels: object = None, ignore: object = None
) -> list[int]:
    found = match(
        tf.constant([boxes], tf.float32),
        tf.constant([labels or [0] * len(boxes)], tf.int32),
        tf.constant([ignore or [False] * len(boxes)]),
        tf.constant(anchors, tf.float32),
    )
    return found.numpy()[0].tolist()


def test_the_thresholds_are_one_half_and_four_tenths() -> None:
    box = (0, 0, 10, 10)
    lower = [(0, 0, 10, height) for height in (10, 5, 4.99, 4, 3.99)]
    assert matched(lower, box) == [0, 0, NEITHER, NEITHER, NEGATIVE]


def test_every_box_has_an_anchor_however_small_their_overlap() -> None:
    far = (50, 50, 90, 90)
    assert matched([far, (0, 0, 10, 10), (0, 0, 9, 9)], (0, 0, 1, 1)) == [NEGATIVE, NEGATIVE, 0]
    assert matched([far, far], (60, 60, 62, 62)) == [0, NEGATIVE], "the first of equals"
    assert matched([far], (0, 0, 1, 1)) == [NEGATIVE], "there is none where nothing overlaps"


def test_a_forced_match_precedes_a_better_one() -> None:
    large, small = (0, 0, 10, 10), (0, 0, 4, 5)
    assert matched([(0, 0, 10, 10), (0, 0, 9, 10)], large, small) == [0, 1]


def test_of_boxes_with_the_same_best_anchor_the_closest_has_it() -> None:
    anchor = (0, 0, 10, 10)
    assert matched([anchor], (0, 0, 5, 10), (0, 0, 9, 10), (0, 0, 9, 10)) == [1]


def test_padding_and_ignored_boxes_have_no_anchors() -> None:
    anchors, box = [(0, 0, 10, 10), (50, 50, 60, 60)], (0, 0, 10, 10)
    assert matched(anchors, box, labels=[-1]) == [NEGATIVE, NEGATIVE]
    assert matched(anchors, box, labels=[-1], ignore=[True]) == [NEGATIVE, NEGATIVE]
    assert matched(anchors, box, ignore=[True]) == [NEITHER, NEGATIVE]


def test_anchors_inside_an_ignored_box_are_positive_or_neither() -> None:
    crowd, one = (0, 0, 100, 100), (0, 0, 10, 10)
    anchors = [(0, 0, 10, 10), (20, 20, 30, 30), (95, 0, 105, 10), (95.1, 0, 105.1, 10)]
    assert matched(anchors, crowd, one, ignore=[True, False]) == [1, NEITHER, NEITHER, NEGATIVE]


def test_degenerate_boxes_have_no_anchors() -> None:
    assert matched([(0, 0, 10, 10)], (5, 5, 5, 5), (8, 8, 2, 2)) == [NEGATIVE]


def test_classes_and_boxes_of_anchors_are_those_of_their_boxes() -> None:
    boxes, labels, ignore, anchors = example(99)
    numbers = match(boxes, tf.constant(labels), tf.constant(ignore), tf.constant(anchors))
    classes, of_anchors = matched_labels(tf.constant(labels), numbers), matched_boxes(boxes, numbers)
    for image, index in np.ndindex(*numbers.shape):
        number = int(numbers[image, index])
        if number < 0:
            assert int(classes[image, index]) == number
        else:
            assert int(classes[image, index]) == labels[image, number]
            np.testing.assert_array_equal(of_anchors[image, index], boxes[image, number])
