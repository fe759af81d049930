"""Random changes of training images, in the graph, a whole batch at once."""

import numpy as np
import tensorflow as tf

from rl_nas.child.settings import AugmentSettings

_BETA_DRAWS = 2**16


def augment(images: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    """Crops enlarged images at random, mirrors them and cuts squares out.

    The searches of Zoph and Le 2017 and Zoph et al. 2018 crop 32x32 pixels out of images upsampled to
    40x40 (`crop_margin=4, crop="upsample"`); most later work pads instead.

    Args:
        images: float [batch, height, width, channels], whitened: a square that is cut out becomes 0.
        seed: int [2]; the result is a function of it.
        settings: what to do.

    Returns:
        Float images of the same shape.
    """
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    if settings.crop_margin:
        images = _random_crop(images, crop_seed, settings.crop_margin, settings.crop)
    if settings.flip:
        mirrored = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], flip_seed) < 0.5
        images = tf.where(mirrored, tf.reverse(images, axis=[2]), images)
    if settings.cutout:
        images = _cut_out(images, tf.random.fold_in(seed, 2), settings.cutout)
    return images


def mix_up(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes every image and its label with another one's of the batch (Zhang et al. 2018, section 2).

    Args:
        images: float [batch, height, width, channels].
        labels: float [batch, classes], each the share of a class.
        seed: int [2]; the result is a function of it.
        alpha: the share of the image itself is drawn from Beta(alpha, alpha), one for the batch as in the paper's code.

    Returns:
        Images and labels of the same shapes.
    """
    # XLA has no Gamma variables to make a Beta variable of: one of many draws is taken.
    draws = tf.constant(np.random.default_rng(0).beta(alpha, alpha, _BETA_DRAWS), tf.float32)
    # gather: a slice with an index of chance would be compiled anew for every step.
    share = tf.gather(draws, tf.random.stateless_uniform([], seed, 0, _BETA_DRAWS, tf.int32))
    others = tf.argsort(tf.random.stateless_uniform([tf.shape(images)[0]], tf.random.fold_in(seed, 1)))
    mixed = [share * x + (1 - share) * tf.gather(x, others) for x in (images, labels)]
    return mixed[0], mixed[1]


def _random_crop(images: tf.Tensor, seed: tf.Tensor, margin: int, crop: str) -> tf.Tensor:
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    if crop == "pad":
        enlarged = tf.pad(images, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
    else:
        enlarged = tf.image.resize(images, (height + 2 * margin, width + 2 * margin))
    corners = tf.random.stateless_uniform([batch, 2, 1], seed, 0, 2 * margin + 1, tf.int32)
    rows = corners[:, 0] + tf.range(height)  # [batch, height]
    columns = corners[:, 1] + tf.range(width)  # [batch, width]
    cropped = tf.gather(enlarged, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


def _cut_out(images: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Puts a square around a random pixel to 0, what of it is in the image (DeVries and Taylor 2017, section 3.2)."""
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    centers = tf.random.stateless_uniform([batch, 2], seed) * [float(height), float(width)]
    first = tf.cast(centers, tf.int32) - size // 2  # [batch, 2]
    rows = tf.range(height) - first[:, :1]  # [batch, height], 0 in the square's first row
    columns = tf.range(width) - first[:, 1:]
    inside = ((rows >= 0) & (rows < size))[:, :, tf.newaxis] & ((columns >= 0) & (columns < size))[:, tf.newaxis]
    return tf.where(inside[..., tf.newaxis], 0.0, images)
