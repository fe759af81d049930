"""Backbones that somebody else made in Keras: one opaque part, from normalized images to feature maps by stride."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.flat_weights import Outputs
from rl_nas.child.network.keras_file_size import check_model
from rl_nas.child.network.keras_graph import Call, Replay, functional
from rl_nas.child.network.pixels import pixels_of
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.features import FeatureMaps, feature_name
from rl_nas.networks.layer import Cost, Shape
from rl_nas.networks.layers import Pair

PREFIX = "backbone."
"""Of the names of its layers."""
_NUMBER = 4
"""Bytes of a weight."""
MULTIPLE = 32
"""Of the sides of the images on which its strides are found; the largest stride that is looked for."""


class Opened(NamedTuple):
    """A Keras model.

    Attributes:
        name: for messages.
        model: functional, of one image.
        pixels: what became of the pixels of `rl_nas.child.network.pixels.probe` before the model.
        scaled: whether these are what the model wants; otherwise it has to begin with its own normalization.
        trained: whether its weights are more than initial ones.
    """

    name: str
    model: keras.Model
    pixels: np.ndarray
    scaled: bool = True
    trained: bool = True


class KerasSource:
    """A Keras model on images of one size, before it is known which of its feature maps are read.

    Attributes:
        image_shape: height, width and channels.
        shapes: of the feature maps that it offers by stride, for images padded to multiples of `MULTIPLE`.
    """

    def __init__(self, opened: Opened, image_shape: Shape) -> None:
        """Finds the feature maps, and what the model makes of pixels.

        Raises:
            UsageError: it is not a functional model of such images, or offers none.
        """
        self.opened, self.image_shape = opened, image_shape
        name, graph = opened.name, functional(opened.model)
        if graph is None or len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
            raise UsageError(f"--backbone={name} is not a functional or sequential Keras model of one image")
        if graph.inputs[0].shape[-1] != image_shape[2]:
            raise UsageError(
                f"--backbone={name} reads images of {graph.inputs[0].shape[-1]} channels; those of the data have"
                f" {image_shape[2]}"
            )
        try:
            check_model(self._find_maps, _NUMBER * opened.model.count_params())
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"--backbone={name} on images of {image_shape[0]}x{image_shape[1]}: {error}") from error
        if not opened.scaled and not self.normalizing:
            raise UsageError(
                f"--backbone={name} does not begin with a Rescaling or a Normalization; give --backbone_pixels, the"
                " scale of the pixels that it was trained on"
            )
        answer: Any = opened.pixels
        for layer in self.normalizing:
            answer = layer(answer)
        self.pixels = pixels_of(np.asarray(answer), f"--backbone={name}")

    def _find_maps(self) -> keras.Model:
        """Finds the feature maps and what normalizes the images; returns a model of symbolic tensors from these."""
        name, size = self.opened.name, padded(self.image_shape, MULTIPLE)
        replay = Replay(self.opened.model, keras.Input((*size, self.image_shape[2])), prefix=PREFIX)
        maps = levels(replay, size)
        if not maps:
            why = f"; {replay.failure}" if replay.failure else ""
            raise UsageError(
                f"--backbone={name} has no feature maps whose sides are those of {size[0]}x{size[1]} images divided by"
                f" 2, 4, 8, ...{why}"
            )
        try:
            model = keras.Model(replay.image, list(maps.values()))
        except ValueError as error:
            raise UsageError(f"--backbone={name} reads its pixels with and without normalization") from error
        self.shapes: dict[int, Shape] = {stride: tuple(tensor.shape[1:]) for stride, tensor in maps.items()}
        self.normalizing = replay.normalizing
        return model

    def cut(self, multiple: int, strides: Sequence[int]) -> "KerasBackbone":
        """The part of the model before some of its feature maps.

        Args:
            multiple: number that sides of images are padded to multiples of.
            strides: of the feature maps.
        """
        return KerasBackbone(self, multiple, strides)


class KerasBackbone:
    """A part of a Keras model: see `rl_nas.child.network.backbone.Backbone`.

    Attributes:
        normalization: of its images.
    """

    def __init__(self, source: KerasSource, multiple: int, strides: Sequence[int]) -> None:
        """Builds it.

        Args:
            source: the model.
            multiple: number that sides of images are padded to multiples of.
            strides: of the feature maps, some of the source's.

        Raises:
            UsageError: its weights do not fit images of this size.
        """
        self._source, self._multiple, self._strides = source, multiple, sorted(strides)
        self.normalization: Normalization | None = source.pixels.normalization
        image = keras.Input(source.image_shape, name="image")
        maps, self._calls = self._attached(image, seed=0)
        self._model = keras.Model(image, maps, name="backbone")
        self._infer = tf.function(lambda images: self._model(images, training=False), autograph=False)

    @property
    def image_shape(self) -> Shape:
        """Height, width and channels of its images, without padding."""
        return self._source.image_shape

    @property
    def maps(self) -> FeatureMaps:
        """See `Backbone`."""
        shapes = {stride: self._model.output[feature_name(stride)].shape[1:] for stride in self._strides}
        return FeatureMaps(shapes, self._source.image_shape[:2])

    @cached_property
    def cost(self) -> Cost:
        """See `Backbone`."""
        layers = {id(call.operation): call.operation for call in self._calls}.values()
        variables = [(layer, v) for layer in layers if isinstance(layer, keras.layers.Layer) for v in layer.weights]
        sizes = [(int(np.prod(v.shape)), v.trainable) for _, v in variables]
        return Cost(
            sum(size for size, trainable in sizes if trainable),
            sum(size for size, trainable in sizes if not trainable),
            sum(call.madds for call in self._calls),
        )

    @property
    def trained(self) -> bool:
        """Whether its weights are more than initial ones."""
        return self._source.opened.trained

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Weights by path."""
        return {variable.path: variable.numpy() for variable in self._model.weights}

    def __call__(self, images: tf.Tensor) -> Outputs:
        """See `Backbone`."""
        outputs: Outputs = self._infer(images)
        return outputs

    def attach(self, image: Any, seed: int = 0) -> dict[str, Any]:
        """New layers, with the same weights, behind a symbolic tensor of normalized images.

        Args:
            image: of the size without padding.
            seed: dropout is a function of it.

        Returns:
            The feature maps by name.
        """
        return self._attached(image, seed)[0]

    def resized(self, height: int, width: int) -> "KerasBackbone":
        """The same part of the model for images of another size; raises `UsageError` if it has none."""
        shape = (height, width, self._source.image_shape[2])
        return KerasSource(self._source.opened, shape).cut(self._multiple, self._strides)

    def fingerprint(self) -> str:
        """See `Backbone`. Names, which Keras may number otherwise the next time, are no part of it."""
        number: dict[int, int] = {}
        digest = hashlib.sha256(repr((self._source.pixels.reverse, self._strides)).encode())
        for call in self._calls:
            config = {**call.operation.get_config(), "name": ""}
            read = [number.get(id(tensor), -1) for tensor in call.inputs]
            number |= {id(tensor): len(number) + place for place, tensor in enumerate(call.outputs)}
            digest.update(json.dumps([type(call.operation).__name__, config, read], default=str).encode())
            for value in call.operation.get_weights() if isinstance(call.operation, keras.layers.Layer) else ():
                digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()

    def _attached(self, image: Any, seed: int) -> tuple[dict[str, Any], list[Call]]:
        source = self._source
        size = padded(source.image_shape, self._multiple)
        below, beside = (after - before for after, before in zip(size, source.image_shape[:2], strict=True))
        if below or beside:
            image = keras.layers.ZeroPadding2D(((0, below), (0, beside)), name="pad")(image)
        if source.pixels.reverse:
            image = keras.ops.flip(image, axis=-1)
        replay = Replay(source.opened.model, image, prefix=PREFIX, seed=seed, normalizing=source.normalizing)
        maps = levels(replay, size)
        missing = [stride for stride in self._strides if stride not in maps]
        if missing:
            raise UsageError(
                f"--backbone={source.opened.name} has no features of stride {missing[0]} for images of"
                f" {size[0]}x{size[1]} pixels; {replay.failure or 'give another --image_size'}"
            )
        calls = replay.leading_to([maps[stride] for stride in self._strides])
        for call in calls:
            if isinstance(call.operation, keras.layers.Layer) and call.operation.weights:
                self._copy_weights(call)
        return {feature_name(stride): maps[stride] for stride in self._strides}, calls

    def _copy_weights(self, call: Call) -> None:
        try:
            call.operation.set_weights(call.original.get_weights())
            if isinstance(call.operation, keras.layers.Normalization):
                call.operation.finalize_state()
        except ValueError as error:
            raise UsageError(
                f"--backbone={self._source.opened.name}: the weights of {call.original.name} are for images of another"
                f" size: {first_line(error)}"
            ) from error


def padded(image_shape: Shape, multiple: int) -> Pair:
    """Height and width of images that are padded to multiples of a number."""
    height, width = (-(-side // multiple) * multiple for side in image_shape[:2])
    return height, width


def levels(replay: Replay, size: Pair) -> dict[int, Any]:
    """The feature maps that a model offers by stride, from the finest to the coarsest.

    They are the outputs of a model with several feature maps as outputs; of another one, the last tensors whose sides
    are those of the image divided by 1, 2, 4, ..., rounded up. What is computed from means over the whole image, such
    as the weights of channels, is none.

    Args:
        replay: of the model.
        size: height and width of the image.
    """
    found: dict[int, Any] = {}
    outputs = [tensor for tensor in replay.outputs if len(tensor.shape) == 4]
    candidates = outputs if len(outputs) > 1 else _maps(replay)
    for stride in (2**power for power in range(MULTIPLE.bit_length())):
        sides = tuple(-(-side // stride) for side in size)
        fitting = [tensor for tensor in candidates if tuple(tensor.shape[1:3]) == sides]
        if fitting:
            found[stride] = fitting[-1]
    return found


def _maps(replay: Replay) -> list[Any]:
    """Tensors in order of computation that are not computed from means over the image alone."""
    means: set[int] = set()
    maps = []
    for call in replay.calls:
        pooled = isinstance(call.operation, keras.layers.GlobalAveragePooling2D | keras.layers.GlobalMaxPooling2D)
        flat = any(len(tensor.shape) != 4 for tensor in call.outputs)
        if pooled or flat or all(id(tensor) in means for tensor in call.inputs):
            means |= {id(tensor) for tensor in call.outputs}
        else:
            maps += call.outputs
    return maps
