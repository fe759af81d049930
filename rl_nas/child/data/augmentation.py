"""Random changes of training images, in the graph, a whole batch at once."""

import numpy as np
import tensorflow as tf

from rl_nas.child.data.geometry import Geometry, draw_geometry, warp_images
from rl_nas.child.data.settings import AugmentSettings

_BETA_DRAWS = 2**16


def augment(images: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> tuple[tf.Tensor, Geometry]:
    """Crops enlarged images at random, mirrors them, scales them and cuts squares out.

    Args:
        images: float [batch, height, width, channels], normalized: a square that is cut out, and what lies beyond an
            image, becomes 0.
        seed: int [2]; the result is a function of it.
        settings: the changes to make.

    Returns:
        Float images of the same shape, and the geometry of the changes.
    """
    geometry = draw_geometry(images, seed, settings)
    images = warp_images(images, geometry)
    if settings.cutout:
        images = _cut_out(images, tf.random.fold_in(seed, 2), settings.cutout)
    return images, geometry


def mix_up(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes every image and its target with those of another one of the batch (Zhang et al. 2018, section 2).

    Args:
        images: float [batch, height, width, channels].
        targets: float [batch, ...], such that a weighted mean of two is a target.
        seed: int [2]; the result is a function of it.
        alpha: the fraction of the image itself is drawn from Beta(alpha, alpha), one for the batch as in the paper's
            code.

    Returns:
        Images and targets of the same shapes.
    """
    # XLA cannot sample Gamma variables, which a Beta variable is made of: one of many draws is taken.
    draws = tf.constant(np.random.default_rng(0).beta(alpha, alpha, _BETA_DRAWS), tf.float32)
    # gather: a slice with a random index would be compiled anew for every step.
    fraction = tf.gather(draws, tf.random.stateless_uniform([], seed, 0, _BETA_DRAWS, tf.int32))
    others = tf.argsort(tf.random.stateless_uniform([tf.shape(images)[0]], tf.random.fold_in(seed, 1)))
    mixed = [fraction * x + (1 - fraction) * tf.gather(x, others) for x in (images, targets)]
    return mixed[0], mixed[1]


def _cut_out(images: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Sets a square around a random pixel to 0, clipped to the image (DeVries and Taylor 2017, section 3.2)."""
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    centers = tf.random.stateless_uniform([batch, 2], seed) * [float(height), float(width)]
    first = tf.cast(centers, tf.int32) - size // 2  # [batch, 2]
    rows = tf.range(height) - first[:, :1]  # [batch, height], 0 in the square's first row
    columns = tf.range(width) - first[:, 1:]
    inside = ((rows >= 0) & (rows < size))[:, :, tf.newaxis] & ((columns >= 0) & (columns < size))[:, tf.newaxis]
    return tf.where(inside[..., tf.newaxis], 0.0, images)
