"""Detections against a slow search, and rules by example."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from random_boxes import iou_of, random_boxes

from rl_nas.tasks.detection.boxes import decode, encode
from rl_nas.tasks.detection.predict_settings import Suppression
from rl_nas.tasks.detection.suppression import detections

SIZE = (90, 120)
FAR = -50.0  # a logit of a score of 0


def by_hand(scores: np.ndarray, boxes: np.ndarray, kept: Suppression) -> list[tuple[float, int, np.ndarray]]:
    """Score, class and box of an image's detections: for each class the best box that none before it covers."""
    found = []
    for number in range(scores.shape[1]):
        chosen: list[int] = []
        for anchor in np.argsort(-scores[:, number], kind="stable"):
            if scores[anchor, number] > kept.score_threshold and all(
                iou_of(boxes[anchor], boxes[other]) <= kept.nms_iou for other in chosen
            ):
                chosen.append(anchor)
        found += [(float(scores[anchor, number]), number, boxes[anchor]) for anchor in chosen]
    return sorted(found, key=lambda one: -one[0])[: kept.max_detections]


def outputs(seed: int, images: int, anchors: int = 60, classes: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, (images, anchors, classes)).astype(np.float32)
    return logits, rng.normal(0, 0.5, (images, anchors, 4)).astype(np.float32), random_boxes(rng, anchors, within=90)


@pytest.mark.parametrize("images", [1, 5])
@pytest.mark.parametrize("kept", [Suppression(), Suppression(0.3, 0.2, 20), Suppression(0.0, 0.7, 400)])
def test_detections_are_those_of_a_slow_search(images: int, kept: Suppression) -> None:
    logits, codes, anchors = outputs(images, images)
    found = {name: value.numpy() for name, value in detections(logits, codes, anchors, SIZE, kept).items()}
    boxes = np.clip(decode(codes, anchors), 0, np.array([*SIZE, *SIZE], np.float32))
    for image in range(images):
        expected = by_hand(tf.sigmoid(logits[image]).numpy(), boxes[image], kept)
        count = found["count"][image]
        assert count == len(expected) > 5
        for number, (score, label, box) in enumerate(expected):
            assert found["scores"][image, number] == pytest.approx(score, abs=1e-6)
            assert found["classes"][image, number] == label
            np.testing.assert_allclose(found["boxes"][image, number], box, atol=1e-4)
        for name in ("boxes", "scores", "classes"):
            assert found[name].shape[:2] == (images, kept.max_detections)
            np.testing.assert_array_equal(found[name][image, count:], 0)
    assert (found["boxes"].dtype, found["classes"].dtype, found["count"].dtype) == (np.float32, np.int32, np.int32)


def detected(logits: list[list[float]], boxes: list[object], **kept: float) -> dict[str, np.ndarray]:
    """The detections of an image whose network returns these boxes."""
    anchors = tf.constant([[0.0, 0.0, 16.0, 16.0]] * len(boxes))
    codes = encode(tf.constant(boxes, tf.float32), anchors)
    found = detections(tf.constant([logits]), codes[tf.newaxis], anchors, SIZE, Suppression(**kept))
    return {name: value.numpy()[0] for name, value in found.items()}


def test_boxes_of_different_classes_do_not_suppress_each_other() -> None:
    found = detected([[3.0, FAR], [FAR, 2.0], [1.0, FAR]], [(0, 0, 10, 10)] * 3)
    assert found["count"] == 2
    assert found["classes"][:2].tolist() == [0, 1]


def test_a_place_may_have_several_classes() -> None:
    assert detected([[3.0, 2.0]], [(0, 0, 10, 10)])["count"] == 2


def test_boxes_are_clipped_and_those_outside_the_image_dropped() -> None:
    found = detected(
        [[3.0], [2.0], [4.0], [5.0]], [(-9, -9, 10, 10), (80, 100, 99, 130), (-9, 0, -1, 9), (0, 120, 9, 130)]
    )
    assert found["count"] == 2
    np.testing.assert_allclose(found["boxes"][:2], [(0, 0, 10, 10), (80, 100, 90, 120)], atol=1e-4)


def test_no_detections_are_zeros() -> None:
    found = detected([[FAR], [-4.0]], [(0, 0, 10, 10)] * 2)
    assert found["count"] == 0
    assert not any(found[name].any() for name in ("boxes", "scores", "classes"))


def test_what_is_not_finite_is_not_detected() -> None:
    nan = float("nan")
    assert detected([[nan], [3.0]], [(0, 0, 10, 10), (nan,) * 4])["count"] == 0


def test_outputs_of_half_precision_are_detected_in_full() -> None:
    logits, codes, anchors = outputs(7, 2)
    half = [tf.cast(one, tf.float16) for one in (logits, codes)]
    expected = detections(*(tf.cast(one, tf.float32) for one in half), anchors, SIZE, Suppression())
    for name, value in detections(*half, anchors, SIZE, Suppression()).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_saved_model_detects_in_batches_of_any_size(tmp_path: Path) -> None:
    logits, codes, anchors = outputs(8, 3)
    module = tf.Module()
    module.serve = tf.function(
        lambda logits, codes: detections(logits, codes, anchors, SIZE, Suppression()),
        input_signature=[tf.TensorSpec([None, 60, 3]), tf.TensorSpec([None, 60, 4])],
    )
    tf.saved_model.save(module, tmp_path)
    served = tf.saved_model.load(tmp_path).serve
    for images in (1, 3):
        expected = detections(logits[:images], codes[:images], anchors, SIZE, Suppression())
        for name, value in served(tf.constant(logits[:images]), tf.constant(codes[:images])).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5)
