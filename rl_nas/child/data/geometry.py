"""Crops, flips and scales of a batch, drawn once for its images and their targets."""

from typing import NamedTuple

import tensorflow as tf

from rl_nas.child.data.settings import AugmentSettings


class Geometry(NamedTuple):
    """Crops, flips and scales of a batch of images, made in this order.

    Attributes:
        size: height and width of the images, before and after.
        corners: of the crops out of the enlarged images, int32 [batch, 2], row and column; None: nothing is cropped.
        mirrored: left to right, bool [batch]; None: no image is.
        margin: pixels by which images were enlarged on every side before the crop.
        upsampled: whether they were enlarged by upsampling; otherwise zeros were put around them.
        scales: factors of the sizes, float [batch]; None: nothing is scaled.
        offsets: of the windows that are cut out of the scaled images, in pixels of these, int32 [batch, 2], row and
            column; negative where a window begins outside of its image.
    """

    size: tuple[int, int]
    corners: tf.Tensor | None
    mirrored: tf.Tensor | None
    margin: int
    upsampled: bool
    scales: tf.Tensor | None = None
    offsets: tf.Tensor | None = None


def draw_geometry(images: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> Geometry:
    """Draws the changes of each image of a batch.

    Args:
        images: [batch, height, width, channels].
        seed: int [2]; the result is a function of it.
        settings: the changes that are allowed.
    """
    batch, size = tf.shape(images)[0], tuple(images.shape[1:3])
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    corners = mirrored = scales = offsets = None
    if settings.crop_margin:
        corners = tf.random.stateless_uniform([batch, 2], crop_seed, 0, 2 * settings.crop_margin + 1, tf.int32)
    if settings.flip:
        mirrored = tf.random.stateless_uniform([batch], flip_seed) < 0.5
    if settings.scales:
        draws = tf.random.stateless_uniform([batch, 3], tf.random.fold_in(seed, 4))
        scales = settings.scale_min + draws[:, 0] * (settings.scale_max - settings.scale_min)
        lengths = tf.constant(size, tf.float32)
        excess = tf.cast(scales[:, tf.newaxis] * lengths - lengths, tf.int32)
        # One of 0, ..., excess, which is negative for a scale below 1: then the image lies inside the window.
        offsets = tf.cast(draws[:, 1:] * tf.cast(excess + tf.sign(excess), tf.float32), tf.int32)
    return Geometry(size, corners, mirrored, settings.crop_margin, settings.crop == "upsample", scales, offsets)


def warp_images(images: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Crops, mirrors and scales images, float [batch, height, width, channels]; the size stays.

    The searches of Zoph and Le 2017 and Zoph et al. 2018 crop 32x32 pixels out of images upsampled to 40x40
    (`crop_margin=4, crop="upsample"`); most later work pads instead. Scaling is bilinear, without smoothing before it;
    beyond the image are zeros.
    """
    if geometry.corners is not None:
        images = _cropped(images, geometry)
    if geometry.mirrored is not None:
        mirrored = geometry.mirrored[:, tf.newaxis, tf.newaxis, tf.newaxis]
        images = tf.where(mirrored, tf.reverse(images, axis=[2]), images)
    if geometry.scales is not None:
        for axis in (0, 1):
            images = _scaled(images, geometry, axis)
    return images


def warp_masks(masks: tf.Tensor, geometry: Geometry, fill: int) -> tf.Tensor:
    """Makes the changes of images to masks, each of whose pixels gets the value of the nearest one.

    Args:
        masks: uint8 [batch, height, width].
        geometry: of their images.
        fill: value of pixels beyond the image.
    """
    if geometry.corners is None and geometry.mirrored is None and geometry.scales is None:
        return masks
    for axis in (0, 1):
        sources, inside = _nearest(tf.shape(masks)[0], geometry, axis)
        masks = tf.gather(masks, sources, axis=axis + 1, batch_dims=1)
        masks = tf.where(tf.expand_dims(inside, 2 - axis), masks, tf.cast(fill, masks.dtype))
    return masks


def warp_points(points: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Moves points with the pixels of their images.

    Args:
        points: row and column, float [batch, points, 2], in pixels from the upper left corner of the image: the first
            pixel's center is at 0.5.
        geometry: of the images.

    Returns:
        The points after the changes; those beyond the image are kept.
    """
    size = tf.constant(geometry.size, tf.float32)
    if geometry.corners is not None:
        margin = float(geometry.margin)
        points = points * (1 + 2 * margin / size) if geometry.upsampled else points + margin
        points -= tf.cast(geometry.corners, tf.float32)[:, tf.newaxis]
    if geometry.mirrored is not None:
        mirrored = geometry.mirrored[:, tf.newaxis, tf.newaxis] & [False, True]
        points = tf.where(mirrored, size - points, points)
    if geometry.scales is not None:
        points = points * geometry.scales[:, tf.newaxis, tf.newaxis]
        points -= tf.cast(geometry.offsets, tf.float32)[:, tf.newaxis]
    return points


def _cropped(images: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    (height, width), margin, corners = images.shape[1:3], geometry.margin, geometry.corners
    assert corners is not None
    if geometry.upsampled:
        enlarged = tf.image.resize(images, (height + 2 * margin, width + 2 * margin))
    else:
        enlarged = tf.pad(images, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
    rows = corners[:, :1] + tf.range(height)  # [batch, height]
    columns = corners[:, 1:] + tf.range(width)  # [batch, width]
    cropped = tf.gather(enlarged, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


def _scaled(images: tf.Tensor, geometry: Geometry, axis: int) -> tf.Tensor:
    """Scales images along rows (0) or columns (1)."""
    last, positions = geometry.size[axis] - 1, _centers(tf.shape(images)[0], geometry, axis)
    first = tf.floor(positions - 0.5)

    def along(values: tf.Tensor) -> tf.Tensor:
        return tf.expand_dims(tf.expand_dims(values, -1), 2 - axis)

    near, far = (
        tf.gather(images, tf.cast(tf.clip_by_value(place, 0, last), tf.int32), axis=axis + 1, batch_dims=1)
        for place in (first, first + 1)
    )
    mixed = near + along(positions - 0.5 - first) * (far - near)
    return tf.where(along((positions >= 0) & (positions < last + 1)), mixed, 0.0)


def _centers(batch: tf.Tensor, geometry: Geometry, axis: int) -> tf.Tensor:
    """The positions of the centers of rows (axis 0) or columns (1) in the images before the scaling.

    Returns:
        Float [batch, size], in pixels from the first one's edge.
    """
    length = geometry.size[axis]
    centers = tf.broadcast_to(tf.range(length, dtype=tf.float32) + 0.5, [batch, length])
    if geometry.scales is not None:
        offsets = tf.cast(geometry.offsets, tf.float32)[:, axis : axis + 1]
        centers = (centers + offsets) / geometry.scales[:, tf.newaxis]
    return centers


def _nearest(batch: tf.Tensor, geometry: Geometry, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The row (axis 0) or column (1) of the images that each one of the changed images shows.

    Returns:
        Its index, int32 [batch, size], and whether it lies in the image, bool [batch, size].
    """
    length = geometry.size[axis]
    place = _centers(batch, geometry, axis)
    inside = (place >= 0) & (place < length)
    if axis == 1 and geometry.mirrored is not None:
        place = tf.where(geometry.mirrored[:, tf.newaxis], length - place, place)
    if geometry.corners is not None:
        place += tf.cast(geometry.corners, tf.float32)[:, axis : axis + 1]
        if geometry.upsampled:
            place *= length / (length + 2 * geometry.margin)
        else:
            place -= geometry.margin
            inside &= (place >= 0) & (place < length)
    # Rounded once, though an image that is upsampled and scaled is interpolated twice.
    return tf.cast(tf.clip_by_value(tf.floor(place), 0, length - 1), tf.int32), inside
