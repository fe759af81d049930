"""Overlaps of boxes against counted pixels and known values; codes against their inverse."""

import numpy as np
import pytest
import tensorflow as tf
from random_boxes import iou_of, random_boxes

from rl_nas.tasks.detection.boxes import areas, clip, decode, encode, intersections, iou


def pixels(box: np.ndarray, size: int) -> np.ndarray:
    """The mask of a box of whole pixels."""
    mask = np.zeros((size, size), bool)
    top, left, bottom, right = box.astype(int)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("seed", range(3))
def test_overlaps_are_those_of_counted_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, others = random_boxes(rng, 9, within=40, whole=True), random_boxes(rng, 7, within=40, whole=True)
    common, found, own = intersections(boxes, others).numpy(), iou(boxes, others).numpy(), areas(boxes).numpy()
    for i, j in np.ndindex(9, 7):
        one, other = pixels(boxes[i], 60), pixels(others[j], 60)
        assert common[i, j] == (one & other).sum()
        assert found[i, j] == pytest.approx((one & other).sum() / (one | other).sum(), abs=1e-6)
        assert own[i] == one.sum()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 10, 10), 1.0),
        ((0, 0, 5, 10), 0.5),
        ((0, 0, 20, 10), 0.5),
        ((5, 0, 15, 10), 1 / 3),
        ((5, 5, 15, 15), 1 / 7),
        ((2.5, 2.5, 7.5, 7.5), 0.25),
        ((10, 0, 20, 10), 0.0),
        ((30, 30, 40, 40), 0.0),
    ],
)
def test_known_overlaps(box: tuple[float, ...], expected: float) -> None:
    one = tf.constant([[0.0, 0.0, 10.0, 10.0]])
    assert iou(one, tf.constant([box])).numpy() == pytest.approx(expected)
    assert iou(tf.constant([box]), one).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (3, 3, 3, 9), (3, 3, 9, 3), (8, 2, 2, 8), (8, 8, 2, 2)])
def test_degenerate_boxes_overlap_with_nothing(box: tuple[float, ...]) -> None:
    boxes = tf.constant([box, (0, 0, 10, 10)], tf.float32)
    np.testing.assert_array_equal(iou(boxes, boxes), [[0, 0], [0, 1]])
    np.testing.assert_array_equal(areas(boxes), [0, 100])


def test_overlaps_are_symmetric_and_broadcast_over_images() -> None:
    rng = np.random.default_rng(3)
    boxes, anchors = random_boxes(rng, 2, 5), random_boxes(rng, 11)
    found = iou(boxes, anchors)
    assert found.shape == (2, 5, 11)
    np.testing.assert_array_equal(found, np.swapaxes(iou(tf.constant([anchors] * 2), boxes), 1, 2))
    assert float(found[1, 2, 3]) == pytest.approx(iou_of(boxes[1, 2], anchors[3]), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_decoding_is_the_inverse_of_encoding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, anchors = random_boxes(rng, 4, 50, within=500), random_boxes(rng, 50, within=500)
    sizes = anchors[:, 2:] - anchors[:, :2]
    boxes[..., 2:] = np.minimum(boxes[..., 2:], boxes[..., :2] + 60 * sizes)  # within the bound of decoding
    np.testing.assert_allclose(decode(encode(boxes, anchors), anchors), boxes, atol=2e-3)
    codes = rng.normal(size=(4, 50, 4)).astype(np.float32)
    np.testing.assert_allclose(encode(decode(codes, anchors), anchors), codes, atol=2e-3)


def test_known_codes() -> None:
    anchor = tf.constant([10.0, 20.0, 30.0, 60.0])  # 20 high, 40 wide, centre (20, 40)
    np.testing.assert_allclose(encode(anchor, anchor), [0, 0, 0, 0])
    moved = tf.constant([12.0, 24.0, 32.0, 64.0])
    np.testing.assert_allclose(encode(moved, anchor), [1, 1, 0, 0], atol=1e-5)
    larger = tf.constant([0.0, 20.0, 40.0, 60.0])
    np.testing.assert_allclose(encode(larger, anchor), [0, 0, np.log(2) / 0.2, 0], atol=1e-5)


def test_codes_are_finite_whatever_comes() -> None:
    anchors = tf.constant([[0.0, 0.0, 16.0, 16.0]])
    assert np.isfinite(encode(tf.constant([[5.0, 5.0, 5.0, 1.0]]), anchors)).all()
    for dtype in (tf.float32, tf.float16):
        boxes = decode(tf.constant([[0, 0, 6e4, 6e4]], dtype), anchors)
        assert boxes.dtype == tf.float32
        np.testing.assert_allclose(boxes, [[-492, -492, 508, 508]], rtol=1e-5)


def test_boxes_are_clipped_to_their_part_inside_the_image() -> None:
    boxes = tf.constant([[-5.0, -6.0, 300.0, 400.0], [10, 20, 30, 40], [-9, -9, -1, -1], [250, 0, 260, 50]])
    clipped = clip(boxes, 240, 320)
    np.testing.assert_array_equal(clipped[:2], [[0, 0, 240, 320], [10, 20, 30, 40]])
    np.testing.assert_array_equal(areas(clipped)[2:], 0)
