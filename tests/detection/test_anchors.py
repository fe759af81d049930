"""Places, numbers and sizes of anchors."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from random_boxes import iou_of, random_boxes

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.anchors import (
    Anchors,
    anchor_sides_for,
    check_levels,
    octave,
    parse_ratios,
    parse_sizes,
)
from rl_nas.tasks.detection.settings import DetectionSettings

SHARED = Path(__file__).parents[3] / "shared/tfds"
HEIGHT, WIDTH = 240, 320
MAPS = {8: (30, 40), 16: (15, 20), 32: (8, 10)}


def test_the_number_of_anchors_is_that_of_the_places_times_the_kinds() -> None:
    sides = octave((16, 32, 64))
    assert Anchors(MAPS, sides).boxes.shape == (4740, 4)
    assert Anchors(MAPS, sides, (0.5, 1, 2)).boxes.shape == (3 * 4740, 4)
    # RetinaNet at 512 x 512, of nine kinds: levels 3 to 7.
    maps = {2**level: (512 // 2**level,) * 2 for level in range(3, 8)}
    retinanet = Anchors(maps, octave([4 * stride for stride in maps]), (0.5, 1, 2))
    assert retinanet.boxes.shape == (9 * (64**2 + 32**2 + 16**2 + 8**2 + 4**2), 4)


def test_anchors_are_in_the_order_of_levels_rows_columns_and_kinds() -> None:
    sides, ratios = ((4.0, 6.0), (16.0, 24.0)), (0.25, 1.0, 4.0)
    anchors = Anchors({16: (2, 3), 8: (3, 5)}, sides, ratios).boxes
    number = 0
    for stride, (rows, columns), of_level in ((8, (3, 5), sides[0]), (16, (2, 3), sides[1])):
        for row, column in np.ndindex(rows, columns):
            for side in of_level:
                for ratio in ratios:
                    top, left, bottom, right = anchors[number]
                    assert ((top + bottom) / 2, (left + right) / 2) == ((row + 0.5) * stride, (column + 0.5) * stride)
                    assert (bottom - top) * (right - left) == pytest.approx(side**2)
                    assert (right - left) / (bottom - top) == pytest.approx(ratio)
                    number += 1
    assert number == len(anchors)
    assert anchors.dtype == np.float32


def test_three_sides_make_an_octave() -> None:
    assert octave((32,)) == ((32, pytest.approx(32 * 2 ** (1 / 3)), pytest.approx(32 * 2 ** (2 / 3))),)


def test_unreached_boxes_are_those_that_a_slow_search_finds() -> None:
    rng = np.random.default_rng(0)
    anchors = Anchors({8: (12, 9), 16: (6, 5)}, octave((10, 25)), (0.5, 2.0))
    boxes = random_boxes(rng, 100, within=110)  # some of them beyond the last places
    boxes[:3, 2:] = boxes[:3, :2]  # without an area
    labels = rng.integers(0, 4, 100)
    all_anchors = anchors.boxes
    best = np.array([max(iou_of(box, anchor) for anchor in all_anchors) for box in boxes])
    for iou in (0.2, 0.3, 0.5):
        expected = np.bincount(labels[best < iou], minlength=5)
        np.testing.assert_array_equal(anchors.unreached(boxes, labels, 5, iou), expected)
        assert 0 < expected.sum() < 100
    np.testing.assert_array_equal(anchors.unreached(boxes[:0], labels[:0], 2), [0, 0])


def squares(sides: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(sides), np.zeros_like(sides), sides, sides], axis=-1)


def test_sizes_for_boxes_run_evenly_from_the_smallest_to_the_largest_class() -> None:
    rng = np.random.default_rng(1)
    sides = np.concatenate([rng.uniform(10, 12, 5000), rng.uniform(100, 400, 40)])
    labels = np.repeat([2, 0], [5000, 40])
    found = np.ravel(anchor_sides_for(squares(sides), labels, (4, 8, 16, 32)))
    steps = found[1:] / found[:-1]
    np.testing.assert_allclose(steps, steps[0], rtol=2e-3)
    assert found[0] == pytest.approx(np.quantile(sides[:5000], 0.05), rel=1e-3)
    assert found[-1] == pytest.approx(np.quantile(sides[5000:], 0.95), rel=1e-3)


def test_sizes_for_boxes_of_one_size_are_an_octave_a_level() -> None:
    found = anchor_sides_for(squares(np.full(9, 20.0)), np.zeros(9, int), MAPS)
    np.testing.assert_allclose(found, octave((20, 40, 80)), atol=0.01)


def test_sizes_for_tiny_boxes_start_at_the_finest_stride() -> None:
    found = anchor_sides_for(squares(np.linspace(0.001, 3, 50)), np.zeros(50, int), MAPS)
    np.testing.assert_allclose(found, octave((8, 16, 32)), atol=0.01)


def test_sizes_depend_neither_on_the_order_of_boxes_nor_on_those_without_an_area() -> None:
    rng = np.random.default_rng(2)
    boxes, labels = random_boxes(rng, 200), rng.integers(0, 3, 200)
    order = rng.permutation(200)
    expected = anchor_sides_for(boxes, labels, MAPS)
    assert anchor_sides_for(boxes[order], labels[order], MAPS) == expected
    more = np.concatenate([boxes, [[5, 5, 5, 9], [9, 9, 5, 5]]])
    assert anchor_sides_for(more, np.concatenate([labels, [0, 7]]), MAPS) == expected


def test_sizes_without_boxes_are_refused() -> None:
    with pytest.raises(UsageError, match="--anchor_sizes=auto: the training images have no boxes"):
        anchor_sides_for(np.zeros((4, 4)), np.zeros(4, int), MAPS)


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_sizes_for_blood_cells_reach_almost_all_of_them() -> None:
    data = tfds.load(
        "bccd", data_dir=SHARED, split="train", download=False, decoders={"image": tfds.decode.SkipDecoding()}
    )
    objects = [example["objects"] for example in data.as_numpy_iterator()]
    boxes = np.concatenate([one["bbox"] for one in objects]) * [HEIGHT, WIDTH, HEIGHT, WIDTH]
    labels = np.concatenate([one["label"] for one in objects])
    counts = np.bincount(labels)
    missed = Anchors(MAPS, anchor_sides_for(boxes, labels, MAPS)).unreached(boxes, labels, 3)
    assert (missed / counts < (0.01, 0.01, 0.05)).all()
    # Those of RetinaNet, four strides and more, are too large for platelets.
    retinanet = Anchors(MAPS, octave((32, 64, 128)))
    assert retinanet.unreached(boxes, labels, 3)[2] == 173


def test_flags_of_anchors() -> None:
    assert parse_sizes("auto") is None
    assert parse_sizes("16,32, 64") == octave((16, 32, 64))
    assert parse_ratios("0.5,1,2") == (0.5, 1, 2)
    check_levels(octave((16, 32)), 2)


@pytest.mark.parametrize("text", ["", "big", "16,,32", "32,16", "16,16", "0,16", "-1", "nan", "inf", "1e9", "auto,16"])
def test_sizes_that_are_no_ascending_sides_are_refused(text: str) -> None:
    for read in (parse_sizes, lambda text: DetectionSettings(anchor_sizes=text)):
        with pytest.raises(UsageError, match=r"^--anchor_sizes=.*: expected auto, or the side of the smallest anchor"):
            read(text)


@pytest.mark.parametrize("text", ["", "wide", "1,1", "0", "-2,1", "nan", "1;2"])
def test_ratios_that_are_no_numbers_are_refused(text: str) -> None:
    for read in (parse_ratios, lambda text: DetectionSettings(anchor_ratios=text)):
        with pytest.raises(UsageError, match=r"^--anchor_ratios=.*: expected widths over heights"):
            read(text)


def test_sizes_of_another_number_of_levels_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--anchor_sizes=16,32\.5: expected 3 sides, one for each level"):
        check_levels(octave((16, 32.5)), 3)
