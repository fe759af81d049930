"""Random changes of training images, in the graph, a whole batch at once."""

import tensorflow as tf

from rl_nas.child.settings import AugmentSettings


def augment(images: tf.Tensor, seed: tf.Tensor, settings: AugmentSettings) -> tf.Tensor:
    """Crops enlarged images at random and mirrors them.

    The searches of Zoph and Le 2017 and Zoph et al. 2018 crop 32x32 pixels out of images upsampled to
    40x40 (`crop_margin=4, crop="upsample"`); most later work pads instead.

    Args:
        images: float [batch, height, width, channels].
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
    return images


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
