"""Keras files and configs, which may be a stranger's: what they hold is checked before Keras reads it in safe mode."""

import json
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import keras

from rl_nas.child.network.keras_file_size import MOST_BYTES, check_config, check_growth
from rl_nas.errors import UsageError, first_line
from rl_nas.regular_files import check_regular

_CONFIG = "config.json"
_MEMBERS = {_CONFIG, "metadata.json", "model.weights.h5"}
_LARGEST_CONFIG = 2**28
"""Bytes."""
_NO_NETWORK = {
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__"),
    *("StringLookup", "IntegerLookup", "TextVectorization", "Hashing", "HashedCrossing", "FeatureSpace"),
}
"""Classes that run code from the file, open other files, or do not read images."""


def load_keras_file(path: str | os.PathLike[str]) -> keras.Model:
    """The model in a `.keras` file of stock layers.

    Raises:
        UsageError: it is none; the message is the reason alone.
    """
    try:
        check_regular(path, MOST_BYTES)
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            config = json.loads(archive.read(_CONFIG))
        _check_names(config)
        check_growth(path)
        check_config(config, os.stat(path).st_size)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except UsageError:
        raise
    except (Exception, RecursionError) as error:  # whatever the content of a stranger's file raises
        raise UsageError(f"{first_line(error)[:300]}; expected a .keras file of stock layers") from error


def model_of_config(config: dict[str, Any], size: int) -> keras.Model:
    """The model of stock layers, with initial weights, that a config describes.

    Args:
        config: JSON values, as in `keras.Model.to_json`.
        size: bytes of its weights, which it may not exceed by far.

    Raises:
        UsageError: it describes none; the message is the reason alone.
    """
    try:
        _check_names(config)
        check_config(config, size)
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except UsageError:
        raise
    except (Exception, RecursionError) as error:
        raise UsageError(f"{first_line(error)[:300]}; expected a model of stock layers") from error
    if not isinstance(model, keras.Model):
        raise UsageError(f"it is {type(model).__name__}; expected a model of stock layers")
    return model


def _check_members(archive: zipfile.ZipFile) -> None:
    for member in archive.infolist():
        if member.filename not in _MEMBERS:
            raise UsageError(f"it holds {member.filename}; expected {', '.join(sorted(_MEMBERS))} alone")
        if member.filename.endswith(".json") and member.file_size > _LARGEST_CONFIG:
            raise UsageError(f"its {member.filename} has {member.file_size} bytes; expected at most {_LARGEST_CONFIG}")


def _check_names(config: Any) -> None:
    """Raises `UsageError` if a config names anything but classes and functions of Keras that compute."""
    for part in _objects(config):
        name, module = part.get("class_name"), part.get("module")
        if name is None and module is None:
            continue
        where = f"{module}.{name}" if module else str(name)
        if name in _NO_NETWORK or str(module).partition(".")[0] not in ("keras", "builtins", "rl_nas", "None"):
            raise UsageError(f"it names {where[:100]}; expected stock layers of Keras that compute")


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in a config."""
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list):
            left += value
