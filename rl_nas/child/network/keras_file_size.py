"""The size in memory of .keras files that may be a stranger's: never far larger than on the disk."""

import copy
import math
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h5py
import keras

from rl_nas.regular_files import MIB

MOST_BYTES = 64 * 1024 * MIB
"""Of a file."""

_GROWTH, _SPARE = 4, 64 * MIB
"""Factor by which what a file holds may be larger than it, and bytes besides: Keras compresses nothing."""
_NUMBER = 4
"""Bytes of a number of a variable."""


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


def check_variables(config: dict[str, Any], size: int) -> None:
    """Checks that the variables of a model, which Keras makes before it reads their values, are not much larger.

    Args:
        config: JSON values, of stock layers.
        size: bytes of the values.

    Raises:
        ValueError: they are; or whatever else a stranger's config raises.
    """
    with ThreadPoolExecutor(1) as other:  # Keras makes later what a thread has declared; the list ends with its thread
        declared = other.submit(_size_of_variables, copy.deepcopy(config)).result()  # Keras empties it
    _check_size(declared, _most(size))


def _size_of_variables(config: dict[str, Any]) -> int:
    with keras.StatelessScope(initialize_variables=False):
        model: Any = keras.saving.deserialize_keras_object(config, safe_mode=True)
    return sum(_NUMBER * math.prod(variable.shape) for variable in getattr(model, "variables", ()))


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
