"""What is done to images is done to masks and points: three ways to the same geometry, over random settings."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.geometry import Geometry, draw_geometry, warp_images, warp_masks, warp_points
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.errors import UsageError

FILL = 255
SIZE = (12, 15)
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "flip": {"flip": True},
    "pad": {"crop_margin": 3},
    "upsample": {"crop_margin": 2, "crop": "upsample"},
    "smaller": {"scale_min": 0.4, "scale_max": 0.9},
    "larger": {"scale_min": 1.1, "scale_max": 2.6},
    "padded, flipped, scaled": {"crop_margin": 4, "flip": True, "scale_min": 0.5, "scale_max": 2.0},
    "upsampled, flipped, scaled": {
        "crop_margin": 3,
        "crop": "upsample",
        "flip": True,
        "scale_min": 0.5,
        "scale_max": 2,
    },
}
EVERY = pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)


def drawn(changes: dict[str, Any], seed: int, batch: int = 24, size: tuple[int, int] = SIZE) -> Geometry:
    return draw_geometry(tf.zeros([batch, *size, 1]), tf.constant([seed, 9], tf.int64), AugmentSettings(**changes))


def centers(size: tuple[int, int] = SIZE) -> np.ndarray:
    """Row and column of the centers of all pixels, float [height, width, 2]."""
    return np.stack(np.meshgrid(*(np.arange(length) + 0.5 for length in size), indexing="ij"), axis=-1)


def moved(points: np.ndarray, geometry: Geometry, batch: int = 24) -> np.ndarray:
    """Points [height, width, 2] in each image of a batch, [batch, height, width, 2]."""
    flat = tf.constant(np.broadcast_to(points.reshape(1, -1, 2), (batch, points.size // 2, 2)), tf.float32)
    return warp_points(flat, geometry).numpy().reshape(batch, *points.shape)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_a_pixel_of_a_mask_is_the_one_whose_moved_square_it_lies_in(changes: dict[str, Any], seed: int) -> None:
    geometry = drawn(changes, seed)
    names = np.arange(np.prod(SIZE), dtype=np.uint8).reshape(SIZE)
    assert names.max() < FILL
    warped = warp_masks(tf.constant(np.repeat(names[np.newaxis], 24, axis=0)), geometry, FILL).numpy()
    corners = moved(centers() - 0.5, geometry), moved(centers() + 0.5, geometry)
    low, high = np.minimum(*corners), np.maximum(*corners)
    # What a crop cuts off is not shown again in a scaled image: the window of the crop, mirrored and scaled.
    ends = [moved(np.array([[point]], float), geometry._replace(corners=None)) for point in ((0, 0), SIZE)]
    shown = np.minimum(*ends)[:, 0], np.maximum(*ends)[:, 0]
    for image in range(24):
        found, seen = warped[image], warped[image] != FILL
        box = tuple(edge[image].reshape(-1, 2)[found[seen]] for edge in (low, high))
        assert (box[0] <= centers()[seen] + 1e-4).all()
        assert (centers()[seen] <= box[1] + 1e-4).all()
        first = np.maximum(low[image].min(axis=(0, 1)), shown[0][image])
        last = np.minimum(high[image].max(axis=(0, 1)), shown[1][image])
        beyond = ((centers() < first + 1e-4) | (centers() > last - 1e-4)).any(axis=-1)
        within = ((centers() > first - 1e-4) & (centers() < last + 1e-4)).all(axis=-1)
        assert beyond[~seen].all()
        assert within[seen].all()


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_an_image_of_its_own_coordinates_tells_where_its_points_went(changes: dict[str, Any], seed: int) -> None:
    """Linear interpolation of a linear image is exact, but at its border and at that of a crop which is scaled."""
    geometry = drawn(changes, seed)
    ramp = np.concatenate([centers(), np.ones((*SIZE, 1))], axis=-1)
    warped = warp_images(tf.constant(np.repeat(ramp[np.newaxis], 24, axis=0), tf.float32), geometry).numpy()
    places, weight = warped[..., :2], warped[..., 2]
    border = np.pad(np.zeros((24, SIZE[0] - 2, SIZE[1] - 2, 1)), [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=1)
    border = warp_images(tf.constant(border, tf.float32), geometry._replace(corners=None)).numpy()[..., 0]
    inner = (weight > 1 - 1e-5) & (border == 0) & ((places > 1.5) & (places < np.array(SIZE) - 1.5)).all(axis=-1)
    back = warp_points(tf.constant(places.reshape(24, -1, 2)), geometry).numpy().reshape(places.shape)
    assert inner.mean() > 0.1
    np.testing.assert_allclose(back[inner], np.broadcast_to(centers(), back.shape)[inner], atol=1e-3)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_a_mask_has_the_class_whose_color_its_image_has(changes: dict[str, Any], seed: int) -> None:
    """Where a pixel of the image is of one color alone; the padding has none."""
    geometry, rng = drawn(changes, seed), np.random.default_rng(seed)
    masks = np.repeat(np.repeat(rng.integers(0, 5, (24, 3, 3)), 4, axis=1), 5, axis=2).astype(np.uint8)
    colors = warp_images(tf.one_hot(masks, 5), geometry).numpy()
    warped = warp_masks(tf.constant(masks), geometry, FILL).numpy()
    pure, none = (np.isclose(colors.max(axis=-1), value, atol=1e-6) for value in (1, 0))
    assert pure.mean() > 0.2
    np.testing.assert_array_equal(warped[pure], colors.argmax(axis=-1)[pure])
    np.testing.assert_array_equal(warped[none], FILL)


@pytest.mark.parametrize("scale", [2, 3])
def test_a_whole_scale_repeats_pixels(scale: int) -> None:
    masks = np.random.default_rng(0).integers(0, 9, (24, *SIZE)).astype(np.uint8)
    geometry = drawn({"scale_min": scale, "scale_max": scale}, seed=1)
    assert geometry.offsets is not None
    warped = warp_masks(tf.constant(masks), geometry, FILL).numpy()
    for mask, (row, column), found in zip(masks, geometry.offsets.numpy(), warped, strict=True):
        large = np.kron(mask, np.ones((scale, scale), np.uint8))
        np.testing.assert_array_equal(found, large[row : row + SIZE[0], column : column + SIZE[1]])


def test_half_the_scale_shows_means_of_four_pixels_among_the_mean_color() -> None:
    images = np.random.default_rng(0).normal(size=(24, 12, 16, 2)).astype(np.float32)
    geometry = drawn({"scale_min": 0.5, "scale_max": 0.5}, seed=2, size=(12, 16))
    assert geometry.offsets is not None
    for image, (row, column), found in zip(
        images, geometry.offsets.numpy(), warp_images(tf.constant(images), geometry).numpy(), strict=True
    ):
        expected = np.zeros_like(image)
        expected[-row : 6 - row, -column : 8 - column] = image.reshape(6, 2, 8, 2, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_scale_of_one_changes_nothing() -> None:
    images = tf.random.stateless_uniform([24, *SIZE, 3], [1, 2])
    geometry = drawn({"crop_margin": 2, "flip": True}, seed=4)
    scaled = geometry._replace(scales=tf.ones([24]), offsets=tf.zeros([24, 2], tf.int32))
    np.testing.assert_array_equal(warp_images(images, scaled), warp_images(images, geometry))


def test_scaling_does_not_change_what_is_cropped_and_mirrored() -> None:
    """Seeds of recorded runs keep their numbers."""
    changes = {"crop_margin": 2, "flip": True}
    plain, scaled = (drawn({**changes, **more}, seed=5) for more in ({}, {"scale_max": 2.0}))
    np.testing.assert_array_equal(plain.corners, scaled.corners)
    np.testing.assert_array_equal(plain.mirrored, scaled.mirrored)
    assert plain.scales is None


def test_scales_and_windows_are_spread_evenly() -> None:
    geometry = drawn({"scale_min": 0.5, "scale_max": 2.0}, seed=6, batch=4000)
    assert geometry.scales is not None
    assert geometry.offsets is not None
    scales, offsets = geometry.scales.numpy(), geometry.offsets.numpy()
    np.testing.assert_allclose(np.quantile(scales, [0, 0.25, 0.5, 0.75, 1]), [0.5, 0.875, 1.25, 1.625, 2], atol=0.05)
    excess = np.trunc(scales[:, np.newaxis] * SIZE - SIZE)
    # No window is cut that could show more of its image, and every one that could not is.
    assert (offsets >= np.minimum(excess, 0)).all()
    assert (offsets <= np.maximum(excess, 0)).all()
    for least in (-5, 8):
        seen = offsets[excess[:, 0] == least, 0]
        counts = np.bincount(np.abs(seen), minlength=abs(least) + 1)
        assert len(counts) == abs(least) + 1
        assert counts.min() > 0.4 * counts.mean()


def test_the_same_in_a_compiled_graph_and_by_the_same_seed() -> None:
    images, masks = tf.random.stateless_uniform([24, *SIZE, 3], [1, 2]), tf.ones([24, *SIZE], tf.uint8)
    settings = AugmentSettings(**CHANGES["upsampled, flipped, scaled"])

    def changed(settings: AugmentSettings, seed: int = 7) -> tuple[tf.Tensor, tf.Tensor]:
        warped, geometry = augment(images, tf.constant([seed, 8], tf.int64), settings)
        return warped, warp_masks(masks, geometry, FILL)

    once, again = changed(settings), changed(settings)
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(once[0] != changed(settings, seed=8)[0])
    # XLA draws other numbers: what does not depend on them is compared.
    compiled = tf.function(lambda: changed(settings), jit_compile=True)()
    assert [tuple(x.shape) for x in compiled] == [tuple(x.shape) for x in once]
    fixed = replace(settings, crop_margin=0, flip=False, scale_min=1 / 16, scale_max=1 / 16)
    for one, other in zip(tf.function(lambda: changed(fixed), jit_compile=True)(), changed(fixed), strict=True):
        assert np.sum(one) == pytest.approx(np.sum(other), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_min": 1.5}, "--scale_min=1.5 exceeds --scale_max=1; give a range"),
        ({"scale_min": 0.0}, "--scale_min=0.0: expected a number > 0"),
    ],
)
def test_ranges_without_scales_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AugmentSettings(**changes)  # type: ignore[arg-type]
