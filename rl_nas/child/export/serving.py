"""A trained network as others use it: images in, class probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.errors import UsageError
from rl_nas.networks.layers import Shape
from rl_nas.renamed import LAYERS

MIDDLE = 0.875
"""The part of an image's sides that is measured after a training on Inception's crops."""


@dataclass(frozen=True)
class Classifier:
    """A network with all that is needed to use it; its functions are traced into what is exported.

    Attributes:
        network: from whitened images to logits.
        normalization: how pixels become what it reads.
        class_names: one per class.
        middle: whether only the middle of an image is looked at.
    """

    network: keras.Model
    normalization: Normalization
    class_names: Sequence[str]
    middle: bool = False

    @property
    def image_shape(self) -> Shape:
        """Height, width, channels of the network's input."""
        height, width, channels = self.network.input_shape[1:]
        return height, width, channels

    def pixels(self, images: tf.Tensor) -> tf.Tensor:
        """Float pixels of 0 to 255 [batch, height, width, channels] of uint8 images of any size, one for the batch.

        As in the training: resized with antialiasing, and rounded.
        """
        if self.middle:
            images = tf.image.central_crop(images, MIDDLE)
        resized = tf.image.resize(images, self.image_shape[:2], antialias=True)
        return tf.round(tf.clip_by_value(resized, 0, 255))

    def probabilities(self, pixels: tf.Tensor) -> tf.Tensor:
        """Probabilities [batch, classes] of images of the network's size, of 0 to 255."""
        return tf.nn.softmax(self.network(self.normalization(pixels), training=False))

    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities and the name of the likeliest class of uint8 images of any size."""
        probabilities = self.probabilities(self.pixels(images))
        names = tf.gather(tf.constant(list(self.class_names)), tf.argmax(probabilities, axis=-1))
        return {"probabilities": probabilities, "label": names}

    def serve_normalized(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities and logits of whitened images of the network's size."""
        logits = self.network(images, training=False)
        return {"probabilities": tf.nn.softmax(logits), "logits": logits}

    def keras_model(self) -> keras.Model:
        """A model of stock layers: uint8 images of the network's size in, probabilities out."""
        image = keras.Input(self.image_shape, dtype="uint8", name="image")
        mean, variance = np.asarray(self.normalization.mean), np.square(self.normalization.deviation)
        normalized = keras.layers.Normalization(mean=mean, variance=variance, name="normalization")(image)
        return keras.Model(image, keras.layers.Softmax(name="probabilities")(self.network(normalized)))

    @classmethod
    def from_keras_model(cls, model: keras.Model, class_names: Sequence[str], *, middle: bool = False) -> "Classifier":
        """Takes apart what `keras_model` made.

        Raises:
            UsageError: the model is another one.
        """
        normalization, network = parts(model)
        classes = network.output_shape[-1]
        if len(class_names) != classes:
            raise UsageError(f"the model has {classes} classes; {len(class_names)} names were given")
        return cls(network, normalization, class_names, middle)


def parts(model: keras.Model) -> tuple[Normalization, keras.Model]:
    """The normalization and the network of what `Classifier.keras_model` made.

    Raises:
        UsageError: the model is another one.
    """
    layers = {LAYERS.get(layer.name, layer.name): layer for layer in model.layers}
    if not {"normalization", "network"} <= layers.keys():
        raise UsageError(
            f"a Keras model with layers {', '.join([*layers][:6])}; expected the model.keras of a training"
        )
    layer = layers["normalization"]
    deviation = np.sqrt(np.ravel(layer.variance))
    return Normalization(tuple(np.ravel(layer.mean).tolist()), tuple(deviation.tolist())), layers["network"]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Gives the target the weights of the source, which may have more, such as those that only training needs."""
    weights: dict[str, Any] = {variable.path: variable for variable in source.weights}
    for variable in target.weights:
        variable.assign(weights[variable.path])
