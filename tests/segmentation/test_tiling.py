"""Tiles of large images: what they cover, and how their probabilities become one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.predict_settings import TileSettings
from rl_nas.tasks.segmentation.tiling import blended, tile_axis

SIDES = st.tuples(st.integers(1, 300), st.integers(1, 80)).flatmap(
    lambda drawn: st.tuples(st.just(drawn[0]), st.just(drawn[1]), st.integers(0, drawn[1] - 1))
)


@given(SIDES)
def test_every_pixel_has_a_total_weight_of_one(sides: tuple[int, int, int]) -> None:
    length, size, overlap = sides
    axis = tile_axis(length, size, overlap)
    total = np.zeros(length)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        assert np.all(weights > 0)
        total[start : start + axis.size] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(SIDES)
def test_tiles_are_as_few_as_overlap_enough(sides: tuple[int, int, int]) -> None:
    length, size, overlap = sides
    axis = tile_axis(length, size, overlap)
    assert axis.size == min(size, length)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + axis.size == length
    steps = np.diff(axis.starts)
    assert np.all(steps > 0)
    assert np.all(axis.size - steps >= overlap)
    # One tile fewer would not reach the end.
    assert len(axis.starts) == 1 or (len(axis.starts) - 1) * (size - overlap) + overlap < length


def test_weights_rise_and_fall_linearly_where_two_tiles_overlap() -> None:
    axis = tile_axis(16, 10, 4)
    assert axis.starts == (0, 6)
    ramp = np.array([7, 5, 3, 1]) / 8
    np.testing.assert_allclose(axis.weights[0], [1] * 6 + ramp.tolist())
    np.testing.assert_allclose(axis.weights[1], ramp[::-1].tolist() + [1] * 6)


def whole(predict, image: np.ndarray, tile: tuple[int, int], overlap: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.concatenate(list(blended(predict, image, tile, overlap)))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 12), st.integers(2, 12), st.data())
def test_a_prediction_of_each_pixel_alone_is_the_same_in_tiles(
    height: int, width: int, tall: int, wide: int, data: st.DataObject
) -> None:
    """Such a network does not see where a tile ends; probabilities of 1 stay so, and so do constants."""
    overlap = data.draw(st.integers(0, min(tall, wide) - 1))
    image = np.random.default_rng(height * 41 + width).random([height, width, 3]).astype(np.float32)
    seen: list[tuple[int, ...]] = []

    def predict(part: np.ndarray) -> np.ndarray:
        seen.append(part.shape[:2])
        return part / part.sum(axis=-1, keepdims=True)

    found = whole(predict, image, (tall, wide), overlap)
    np.testing.assert_allclose(found, predict(image), atol=1e-6)
    assert set(seen[:-1]) == {(min(tall, height), min(wide, width))}


def test_a_tile_as_large_as_the_image_changes_nothing() -> None:
    image = np.random.default_rng(0).random([13, 17, 4]).astype(np.float32)
    for tile in ((13, 17), (20, 17), (99, 99)):
        np.testing.assert_array_equal(whole(lambda part: part**2, image, tile, 5), image**2)


def test_where_tiles_overlap_the_nearer_middle_counts_more() -> None:
    """Two tiles of different opinion, one on the left and one on the right: a straight line between them."""
    image = np.zeros([1, 16, 1], np.float32)
    image[0, 0] = 1

    def first_pixel(part: np.ndarray) -> np.ndarray:
        return np.full_like(part, part[0, 0, 0])

    found = whole(first_pixel, image, (1, 10), 4)[0, :, 0]
    np.testing.assert_allclose(found, [1] * 6 + [7 / 8, 5 / 8, 3 / 8, 1 / 8] + [0] * 6)


def test_bands_are_no_larger_than_a_tile() -> None:
    image = np.zeros([103, 20, 3], np.float32)
    bands = [len(band) for band in blended(lambda part: part, image, (16, 8), 4)]
    assert sum(bands) == 103
    assert max(bands) <= 16


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"overlap": 3}, "--overlap=3 is of tiles; give their size with --tile"),
        ({"tile": "8x"}, "--tile=8x: expected pixels"),
        ({"tile": "64x8", "overlap": 8}, "--overlap=8 is not below the sides of --tile=64x8"),
        ({"tile": "8", "overlap": -1}, "overlap"),
    ],
)
def test_settings_that_are_no_tiles_are_refused(flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TileSettings(**flags)  # type: ignore[arg-type]


def test_tiles_share_a_quarter_unless_told_otherwise() -> None:
    assert (TileSettings("64x40").size, TileSettings("64x40").shared) == ((64, 40), 10)
    assert TileSettings("64", 3).shared == 3
    assert TileSettings().size is None
