"""Layers of Keras that change images, as flags of a search: so they reach its children and all that is exported."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from rl_nas.errors import UsageError

_INSTEAD: dict[type[keras.layers.Layer], str] = {
    keras.layers.RandomCrop: "give crop_margin=PIXELS, by which images are enlarged before a random crop",
    keras.layers.RandomTranslation: "give crop_margin=PIXELS, by which images are enlarged before a random crop",
    keras.layers.RandomZoom: "give scale_min=... and scale_max=..., factors of random scaling",
    keras.layers.CenterCrop: "crop the images before, and those that are predicted, too",
}
"""What layers that are refused have in their place."""
_OTHERWISE = (
    "expected Rescaling, Normalization, Resizing or RandomFlip('horizontal'); do with the images what it does before"
    " they are given, and with those that are predicted, too"
)


def preprocessing_flags(layers: Any, tell: Callable[[str], None]) -> dict[str, Any]:
    """The flags that stand for layers.

    Args:
        layers: a layer, several, or a `keras.Sequential` of them.
        tell: called with a line on those that need no flag.

    Raises:
        UsageError: no flag does what a layer does.
    """
    flags: dict[str, Any] = {}
    needless = []
    for layer in _single(layers):
        found = _flags(layer)
        if again := found.keys() & flags.keys():
            raise UsageError(f"preprocessing has several layers for {', '.join(again)}; give one of them")
        flags |= found
        needless += [] if found else [type(layer).__name__]
    if needless:
        tell(f"preprocessing: {', '.join(needless)} change nothing, as networks normalize each channel themselves")
    return flags


def _single(layers: Any) -> Iterator[keras.layers.Layer]:
    for layer in layers if isinstance(layers, (list, tuple)) else [layers]:
        if isinstance(layer, keras.Sequential):
            yield from _single(layer.layers)
        elif isinstance(layer, keras.layers.Layer):
            yield layer
        else:
            raise UsageError(f"preprocessing has an object of {type(layer).__name__}; expected layers of Keras")


def _flags(layer: keras.layers.Layer) -> dict[str, Any]:
    """The flags for a layer; none for one that the normalization of networks makes needless."""
    match type(layer):
        case keras.layers.Rescaling if np.all(np.asarray(layer.scale) > 0):
            return {}
        case keras.layers.Normalization if set(layer.axis) <= {-1, 3}:
            return {}
        case keras.layers.Resizing:
            return {"image_size": _size(layer)}
        case keras.layers.RandomFlip if layer.mode == "horizontal":
            return {"flip": True}
    name = type(layer).__name__
    if isinstance(layer, keras.layers.RandomFlip):
        raise UsageError(f"preprocessing: {name}({layer.mode!r}) has no flag; expected mode='horizontal'")
    raise UsageError(f"preprocessing: {name} cannot be passed on; {_INSTEAD.get(type(layer), _OTHERWISE)}")


def _size(layer: keras.layers.Resizing) -> str:
    config = layer.get_config()
    others = {"interpolation": "bilinear", "crop_to_aspect_ratio": False, "pad_to_aspect_ratio": False}
    if differs := [f"{name}={config[name]}" for name, value in others.items() if config.get(name, value) != value]:
        raise UsageError(
            f"preprocessing: Resizing with {', '.join(differs)} has no flag; images are resized to image_size by"
            " bilinear interpolation, with antialiasing"
        )
    return f"{layer.height}x{layer.width}"
