"""Random changes of single images on decoding, by tf.image and Keras; `augmentation` has those of whole batches."""

import keras
import tensorflow as tf

from rl_nas.child.data.settings import InputPipelineSettings
from rl_nas.child.data.source import ImageSource

MIDDLE = 0.875
"""Fraction of an image's sides that is measured after training on Inception's crops."""

_BRIGHTNESS, _SATURATION, _HUE, _CONTRAST = 32.0, 0.5, 0.2, 0.5


class HostAugmenter:
    """Resizes an image and varies it: uint8, of the source's shape."""

    def __init__(self, source: ImageSource, settings: InputPipelineSettings) -> None:
        self._source, self._settings = source, settings
        self._rand_augment = None
        if settings.rand_augment:
            self._rand_augment = keras.layers.RandAugment(
                num_ops=settings.rand_augment, factor=settings.rand_augment_magnitude, dtype="float32"
            )
            self._rand_augment.build((None, *source.shape))

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Varies an image, uint8 in its own size; a function of the seed, int [2]."""
        crop_seed, color_seed, operations_seed = tf.unstack(tf.random.split(seed, 3))
        if self._settings.inception_crop:
            image = _random_part(self._source, image, crop_seed)
        else:
            image = self._source.resize(image)
        if self._settings.color:
            image = _vary_color(image, color_seed, self._settings.color)
        if self._rand_augment is not None:
            image = self._apply_operations(image, operations_seed)
        return image

    def _apply_operations(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        assert self._rand_augment is not None
        state = self._rand_augment.generator.state
        # The layer draws from a variable; seen through a scope it is our seed, and stays as it is.
        with keras.StatelessScope(state_mapping=[(state, tf.cast(seed, state.dtype))]):
            images = tf.cast(image, tf.float32)[tf.newaxis]
            transformation = self._rand_augment.get_random_transformation(images, training=True)
            return _to_uint8(self._rand_augment.transform_images(images, transformation)[0])


def middle(source: ImageSource, settings: InputPipelineSettings, image: tf.Tensor) -> tf.Tensor:
    """The image to measure on: with Inception's crops its middle 87.5 %, otherwise all of it."""
    if not settings.inception_crop:
        return source.resize(image)
    part = tf.image.central_crop(image, MIDDLE)
    return tf.ensure_shape(_to_uint8(tf.image.resize(part, source.shape[:2], antialias=True)), source.shape)


def _random_part(source: ImageSource, whole: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A part of 8 to 100 % of the area, sides 3:4 to 4:3 (Szegedy et al. 2015, section 6), resized."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(whole),
        tf.zeros([1, 0, 4]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        use_image_if_no_bounding_boxes=True,
    )
    part = tf.slice(whole, begin, size)
    return tf.ensure_shape(_to_uint8(tf.image.resize(part, source.shape[:2])), source.shape)


def _vary_color(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Varies brightness, saturation, hue and contrast, in this order; gray images have no saturation or hue."""
    seeds = tf.unstack(tf.random.split(seed, 4))
    image = tf.cast(image, tf.float32) / 255
    image = tf.image.stateless_random_brightness(image, strength * _BRIGHTNESS / 255, seeds[0])
    if image.shape[-1] == 3:
        image = tf.image.stateless_random_saturation(
            image, 1 - strength * _SATURATION, 1 + strength * _SATURATION, seeds[1]
        )
        image = tf.image.stateless_random_hue(image, strength * _HUE, seeds[2])
    image = tf.image.stateless_random_contrast(image, 1 - strength * _CONTRAST, 1 + strength * _CONTRAST, seeds[3])
    return _to_uint8(image * 255)


def _to_uint8(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(image, 0, 255)), tf.uint8)
