"""Crops and flips of a batch, drawn once for its images and their targets."""

from typing import NamedTuple

import tensorflow as tf

from rl_nas.child.data.settings import AugmentSettings


class Geometry(NamedTuple):
    """Crops and flips of a batch of images.

    Attributes:
        size: height and width of the images, before and after.
        corners: of the crops out of the enlarged images, int32 [batch, 2], row and column; None: nothing is cropped.
        mirrored: left to right, bool [batch]; None: no image is.
        margin: pixels by which images were enlarged on every side before the crop.
        upsampled: whether they were enlarged by upsampling; otherwise zeros were put around them.
    """

    size: tuple[int, int]
    corners: tf.Tensor | None
    mirrored: tf.Tensor | None
    margin: int
    upsampled: bool


def draw_geometry(images: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> Geometry:
    """Draws the changes of each image of a batch.

    Args:
        images: [batch, height, width, channels].
        seed: int [2]; the result is a function of it.
        settings: the changes that are allowed.
    """
    batch, size = tf.shape(images)[0], tuple(images.shape[1:3])
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    corners = mirrored = None
    if settings.crop_margin:
        corners = tf.random.stateless_uniform([batch, 2], crop_seed, 0, 2 * settings.crop_margin + 1, tf.int32)
    if settings.flip:
        mirrored = tf.random.stateless_uniform([batch], flip_seed) < 0.5
    return Geometry(size, corners, mirrored, settings.crop_margin, settings.crop == "upsample")


def warp_images(images: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Crops and mirrors images, float [batch, height, width, channels]; the size stays.

    The searches of Zoph and Le 2017 and Zoph et al. 2018 crop 32x32 pixels out of images upsampled to 40x40
    (`crop_margin=4, crop="upsample"`); most later work pads instead.
    """
    if geometry.corners is not None:
        images = _cropped(images, geometry)
    if geometry.mirrored is not None:
        mirrored = geometry.mirrored[:, tf.newaxis, tf.newaxis, tf.newaxis]
        images = tf.where(mirrored, tf.reverse(images, axis=[2]), images)
    return images


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


def warp_masks(masks: tf.Tensor, geometry: Geometry, fill: int) -> tf.Tensor:
    """Crops and mirrors masks as their images were; the size stays.

    Args:
        masks: uint8 [batch, height, width].
        geometry: of the images.
        fill: value of what lies beyond an image.
    """
    if geometry.corners is not None:
        (height, width), margin = masks.shape[1:3], geometry.margin
        if geometry.upsampled:
            enlarged = tf.image.resize(masks[..., tf.newaxis], (height + 2 * margin, width + 2 * margin), "nearest")[
                ..., 0
            ]
        else:
            enlarged = tf.pad(masks, [[0, 0], [margin, margin], [margin, margin]], constant_values=fill)
        rows = geometry.corners[:, :1] + tf.range(height)
        columns = geometry.corners[:, 1:] + tf.range(width)
        masks = tf.gather(tf.gather(enlarged, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)
    if geometry.mirrored is not None:
        masks = tf.where(geometry.mirrored[:, tf.newaxis, tf.newaxis], tf.reverse(masks, axis=[2]), masks)
    return masks
