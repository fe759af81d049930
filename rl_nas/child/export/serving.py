"""Serving of trained networks: images in, predictions of the task out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data.host_augmentation import MIDDLE
from rl_nas.child.data.normalization import Normalization
from rl_nas.errors import UsageError
from rl_nas.networks.layer import Shape
from rl_nas.renamed import LAYERS, ONLY_OUTPUT

TOLERANCE = 1e-4
"""Largest difference allowed between a prediction of the network and of its export in 32-bit floats."""

NETWORK, NORMALIZATION = "network", "normalization"
"""Names of the layers of a model.keras; `rl_nas.renamed` knows older ones."""


@dataclass(frozen=True)
class Agreement:
    """Comparison of an exported model's predictions with the network's.

    Attributes:
        figures: by name; a search prints `max_difference` alone where it is one of them.
        complaint: how they differ too much, to follow the model's path; None: they do not.
    """

    figures: dict[str, float] = field(default_factory=dict)
    complaint: str | None = None


@dataclass(frozen=True)
class Serving(ABC):
    """A network with all that is needed to use it; its functions are traced into the exported model.

    Attributes:
        task: name of the task.
        network: from normalized images to its outputs by name.
        normalization: of pixels, for the network.
        class_names: one per class.
        middle: whether only the middle of an image is used.
    """

    task: str
    network: keras.Model
    normalization: Normalization
    class_names: Sequence[str]
    middle: bool = False

    @property
    def image_shape(self) -> Shape:
        """Height, width, channels of the network's input."""
        height, width, channels = self.network.input_shape[1:]
        return height, width, channels

    @property
    @abstractmethod
    def returns(self) -> str:
        """Description of what `serve` returns."""

    @property
    def compile_arguments(self) -> Mapping[str, Any]:
        """Arguments for `compile` of a `keras_model`, to train it on; empty: its predictions are not trained on."""
        return {}

    @property
    def extras(self) -> Mapping[str, str]:
        """Text files that go with a SavedModel, content by name: what its users must know of its predictions."""
        return {}

    @abstractmethod
    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Predictions, numbers, from the network's outputs."""

    def served(self, predictions: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        """The predictions as a SavedModel gives them, with strings, and for the size that the images had.

        Args:
            predictions: for images of the network's size.
            size: height and width of the images before they were resized, int32 [2].
        """
        return dict(predictions)

    @abstractmethod
    def keras_predictions(self, outputs: Mapping[str, Any]) -> Any:
        """The same as `predict`, as stock Keras layers: one tensor, or a dict."""

    @abstractmethod
    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: Any, arithmetic: str
    ) -> Agreement:
        """Compares predictions of an exported model with the network's.

        Args:
            found: by the exported model.
            expected: by the network.
            targets: of the same images.
            arithmetic: of the exported model: float32, float16 or int8.
        """

    def too_different(self, difference: float, images: int) -> str | None:
        """The complaint about a difference in 32-bit arithmetic above the tolerance, or NaN."""
        if difference <= TOLERANCE:
            return None
        return f"differs from the network by {difference:.1e} on {images} images; expected at most {TOLERANCE:.0e}"

    def pixels(self, images: tf.Tensor) -> tf.Tensor:
        """Float pixels of 0 to 255 [batch, height, width, channels] of uint8 images of any size, one for the batch.

        Resized with antialiasing and rounded, as in training.
        """
        if self.middle:
            images = tf.image.central_crop(images, MIDDLE)
        resized = tf.image.resize(images, self.image_shape[:2], antialias=True)
        return tf.round(tf.clip_by_value(resized, 0, 255))

    def predictions(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predictions for images of the network's size, of 0 to 255."""
        return self.predict(self.outputs(self.normalization(pixels)))

    def outputs(self, images: tf.Tensor) -> dict[str, Any]:
        """Outputs of the network, by name, for normalized images of its size."""
        outputs: dict[str, Any] = self._traced(images)
        return outputs

    @cached_property
    def _traced(self) -> Any:
        """The network as a graph that is made once, for all that is computed here and for all signatures of an export.

        The layers of a network are hundreds of calls of Keras, each time.
        """
        spec = tf.TensorSpec([None, *self.image_shape], tf.float32)
        return tf.function(self._layers, [spec], autograph=False)

    def _layers(self, images: Any) -> dict[str, Any]:
        outputs = self.network(images, training=False)
        return outputs if isinstance(outputs, dict) else {ONLY_OUTPUT: outputs}

    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predictions for uint8 images of any size, as `served` gives them."""
        return self.served(self.predictions(self.pixels(images)), tf.shape(images)[1:3])

    def serve_normalized(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predictions and outputs for normalized images of the network's size."""
        outputs = self.outputs(images)
        return {**self.predict(outputs), **outputs}

    def keras_model(self) -> keras.Model:
        """A model of stock layers: uint8 images of the network's size in, predictions out."""
        image = keras.Input(self.image_shape, dtype="uint8", name="image")
        mean, variance = np.asarray(self.normalization.mean), np.square(self.normalization.deviation)
        normalized = keras.layers.Normalization(mean=mean, variance=variance, name=NORMALIZATION)(image)
        return keras.Model(image, self.keras_predictions(self._layers(normalized)))

    @abstractmethod
    def check(self) -> None:
        """Raises `UsageError` if the network is not for these classes."""


def parts_of(model: keras.Model) -> tuple[keras.Model, Normalization]:
    """The network in a model.keras, and its normalization.

    Raises:
        UsageError: the model is not one of a training.
    """
    layers = {LAYERS.get(layer.name, layer.name): layer for layer in model.layers}
    if not {NETWORK, NORMALIZATION} <= layers.keys():
        names = ", ".join([*layers][:6])
        raise UsageError(f"a Keras model with layers {names}; expected the model.keras of a training")
    return layers[NETWORK], normalization_of(layers[NORMALIZATION])


def normalization_of(layer: keras.layers.Normalization) -> Normalization:
    """The normalization that a Keras layer computes."""
    deviation = np.sqrt(np.ravel(layer.variance))
    return Normalization(tuple(np.ravel(layer.mean).tolist()), tuple(deviation.tolist()))


def load_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Gives all weights of a model values by path; there may be more, such as those for training only."""
    for variable in model.weights:
        variable.assign(weights[variable.path])
