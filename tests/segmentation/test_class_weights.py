"""Weights of classes: median frequencies, and files."""

from pathlib import Path

import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.settings import SegmentationSettings
from rl_nas.tasks.segmentation.weights import PixelCounts, balanced_weights, class_weights, count_pixels
from rl_nas.tasks.weight_file import read_weights

IGNORE = 255
NAMES = ("sky", "traffic light", "road")


def test_a_small_example_by_hand() -> None:
    """Class 0 has 4 of the 4 + 2 pixels, class 1 has 1 of 4, class 2 has 1 of 2, class 3 none: the median is 1/2."""
    masks = np.array([[[0, 0], [0, 1]], [[IGNORE, 2], [0, IGNORE]]], np.uint8)
    counts = count_pixels([masks], classes=4)
    assert counts.own.tolist() == [4, 1, 1, 0]
    assert counts.around.tolist() == [6, 4, 2, 0]
    assert balanced_weights(counts) == pytest.approx((0.5 / (4 / 6), 0.5 / (1 / 4), 1.0, 0.0))


def test_counts_do_not_depend_on_the_batches() -> None:
    rng = np.random.default_rng(0)
    masks = rng.choice(np.array([0, 1, 2, 5, IGNORE], np.uint8), (9, 4, 5), p=[0.6, 0.2, 0.1, 0.05, 0.05])
    whole = count_pixels([masks], classes=3)
    parts = count_pixels(np.array_split(masks, 4), classes=3)
    np.testing.assert_array_equal(whole, parts)
    assert whole.own.tolist() == [(masks == number).sum() for number in range(3)]
    held = [[mask for mask in masks if (mask == number).any()] for number in range(3)]
    assert whole.around.tolist() == [sum((mask < 3).sum() for mask in some) for some in held]


def test_classes_in_every_image_weigh_alike_when_weighted() -> None:
    """Weight times pixels is then the same for all, and the median class has weight 1."""
    own = np.array([10, 200, 3000, 400, 5])
    weights = np.array(balanced_weights(PixelCounts(own, np.full(5, own.sum()))))
    np.testing.assert_allclose(weights * own, 200)
    assert weights[1] == 1


def test_masks_without_labels_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^no pixel of the training masks is labeled; [^\n]*$"):
        class_weights("auto", NAMES, count_pixels([np.full((2, 3, 3), IGNORE, np.uint8)], len(NAMES)))


def test_the_three_choices(tmp_path: Path) -> None:
    file = tmp_path / "weights.txt"
    file.write_text("sky 1\nroad 2\ntraffic light 3\n")
    masks = np.arange(3, dtype=np.uint8).reshape(1, 1, 3)
    assert class_weights(SegmentationSettings().class_weights, NAMES, count_pixels([masks], len(NAMES))) is None
    assert class_weights("auto", NAMES, count_pixels([masks], len(NAMES))) == (1, 1, 1)
    assert class_weights(str(file), NAMES, count_pixels([masks], len(NAMES))) == (1, 3, 2)


def test_a_file_may_be_laid_out_at_will(tmp_path: Path) -> None:
    file = tmp_path / "weights.txt"
    file.write_text("\n  traffic light \t 1e-1\r\n\nroad\t0\n sky   2.5")
    assert read_weights(file, NAMES) == (2.5, 0.1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sky 1\nroad 1\nlight 1", "'light 1' names no class; expected one of sky, traffic light, road"),
        ("sky 1\nroad 1", "has no weight of 'traffic light'"),
        ("", "has no weight of 'sky', 'traffic light', 'road'"),
        ("sky 1\nsky 2", "class 'sky' is there twice"),
        ("sky", "'sky' names no class"),
        ("0.5", "'0.5' names no class"),
        ("sky high", "weight 'high' of 'sky'; expected a finite number >= 0"),
        ("sky -1", "expected a finite number >= 0"),
        ("sky nan", "expected a finite number >= 0"),
        ("sky inf", "expected a finite number >= 0"),
        ("sky 0\nroad 0\ntraffic light 0", "all weights are 0"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "weights.txt"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_weights(file, NAMES)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        with pytest.raises(UsageError, match=r"^[^\n]*give a file with a line NAME WEIGHT for every class$"):
            read_weights(path, NAMES)
