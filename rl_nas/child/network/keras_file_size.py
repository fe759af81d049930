"""The size in memory of Keras models that may be a stranger's, known before anything is made of what is declared."""

import copy
import math
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h5py
import keras
import tensorflow as tf
from keras.src.backend.common.global_state import get_global_attribute  # tells variables that are yet to be made

from rl_nas.regular_files import MIB

MOST_BYTES = 64 * 1024 * MIB
"""Of a file."""

_GROWTH, _SPARE = 4, 64 * MIB
"""Factor by which what a file holds may be larger than it, and bytes besides: Keras compresses nothing."""
_NUMBER = 4
"""Bytes of a number of a variable."""
_MOST_OUTPUT, _MOST_OUTPUTS = 2**29, 2**32
"""Numbers in one output, and in all outputs, of the operations of a model for one image."""


def check_growth(path: str | os.PathLike[str]) -> None:
    """Checks that the parts of a .keras file do not say that they are much larger than it.

    Raises:
        ValueError: they do; or whatever else a stranger's file raises.
    """
    most = _most(os.stat(path).st_size)
    with zipfile.ZipFile(path) as archive:
        _check_size(sum(member.file_size for member in archive.infolist()), most)
        for member in archive.infolist():
            if member.filename.endswith(".h5"):
                with archive.open(member) as content, h5py.File(content, "r") as weights:
                    _check_size(_size_of(weights), most)


def check_config(config: dict[str, Any], size: int) -> None:
    """Checks the size of the model that a config describes, see `check_model`.

    Args:
        config: JSON values, of stock layers.
        size: bytes of its weights.

    Raises:
        ValueError: it is too large; or whatever else a stranger's config raises.
    """
    own = copy.deepcopy(config)  # Keras empties it
    check_model(lambda: keras.saving.deserialize_keras_object(own, safe_mode=True), size)


def check_model(make: Callable[[], Any], size: int) -> None:
    """Checks that a model's variables, which Keras makes before it reads their values, are not much larger than these.

    Also that what it computes for one image can be computed.

    Args:
        make: the model; called in a place where variables are declared, and nothing is made or computed.
        size: bytes of its weights.

    Raises:
        ValueError: it is too large; or whatever else `make` raises.
    """

    def check() -> None:
        with tf.__internal__.FuncGraph("declared").as_default(), keras.StatelessScope(initialize_variables=False):
            model = make()
            # All of them: a config may have layers that are no part of its model.
            variables = get_global_attribute("uninitialized_variables", [])
            _check_size(sum(_NUMBER * math.prod(variable.shape) for variable in variables), _most(size))
            if isinstance(model, keras.Model):
                _check_activations(model)

    with ThreadPoolExecutor(1) as other:  # Keras makes later what a thread has declared; the list ends with its thread
        other.submit(check).result()


def _check_activations(model: keras.Model) -> None:
    """Raises `ValueError` where a model, or one of its layers inside, computes too many numbers for one image."""
    graph = tf.__internal__.FuncGraph("activations")
    with graph.as_default():
        images = [tf.compat.v1.placeholder(one.dtype, [1, *one.shape[1:]]) for one in model.inputs]
        model(images if len(images) > 1 else images[0], training=False)
    total = 0
    for operation in graph.get_operations():
        # Shapes that are not known depend on the values of the image.
        sizes = [output.shape.num_elements() or 0 for output in operation.outputs]
        total += sum(sizes)
        if max(sizes, default=0) > _MOST_OUTPUT:
            name = operation.name.partition("/")[2][:100]  # without that of the model
            raise ValueError(
                f"its {name} computes {max(sizes):,} numbers for one image; expected at most {_MOST_OUTPUT:,}"
            )
    if total > _MOST_OUTPUTS:
        raise ValueError(f"it computes {total:,} numbers for one image; expected at most {_MOST_OUTPUTS:,}")


def _most(size: int) -> int:
    return _GROWTH * size + _SPARE


def _size_of(weights: h5py.File) -> int:
    """Bytes of all arrays in memory, as their headers declare them: those on the disk may be compressed, or absent."""
    sizes: list[int] = []
    weights.visititems(lambda name, part: sizes.append(part.nbytes) if isinstance(part, h5py.Dataset) else None)
    return sum(sizes)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"what it holds has {size:,} bytes; expected at most {most:,}, by the size of the file")
