"""Files of torch before 1.6 read without torch: nothing in them is executed, whoever wrote them."""

import math
import os
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from rl_nas.errors import UsageError, first_line

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""First two pickles of a file of torch before 1.6."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors in a file of torch before 1.6.

    Args:
        path: a dict of tensors, saved; may be hostile: no name in it but those of tensors is looked up.

    Raises:
        UsageError: it is something else.
    """
    try:
        with path.open("rb") as file:
            if [_Unpickler(file).load() for _ in range(2)] != [_MAGIC, _PROTOCOL]:
                raise pickle.UnpicklingError("it is no file of torch before 1.6")
            _Unpickler(file).load()  # sizes of types
            tensors = _Unpickler(file).load()
            storages = {key: tensor.storage for tensor in tensors.values() for key in [tensor.storage.key]}
            values = {key: _values(file, storages[key]) for key in _Unpickler(file).load()}
        if sum(tensor.elements for tensor in tensors.values()) > sum(map(len, values.values())):
            raise ValueError("its tensors have more elements than it holds")
        return {name: tensor.of(values[tensor.storage.key]) for name, tensor in tensors.items()}
    except Exception as error:  # whatever the content of a stranger's file raises
        raise UsageError(
            f"--weights={path} cannot be read: {first_line(error)}; expected tensors saved by torch"
        ) from error


@dataclass(frozen=True)
class _Storage:
    """Numbers in the file."""

    key: str
    dtype: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Their number, which a hostile file need not hold."""
        return math.prod(map(abs, self.shape))

    def of(self, values: np.ndarray) -> np.ndarray:
        """The tensor as an array of its own; raises ValueError if it is larger than the storage, or reaches beyond."""
        if min(self.shape, default=1) < 1 or self.elements > len(values):
            raise ValueError("a tensor has more elements than its storage, or none")
        places = np.full(self.shape, self.offset)
        for axis, (size, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            places += np.reshape(
                np.arange(size) * stride, [-1 if other == axis else 1 for other in range(len(self.shape))]
            )
        if not 0 <= places.min() <= places.max() < len(values):
            raise ValueError("a tensor reaches beyond its storage")
        return values[places]


class _Unpickler(pickle.Unpickler):
    """Knows what a dict of tensors is made of, and refuses everything else."""

    _known: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
        ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, strides, *_: _Tensor(
            storage, offset, shape, strides
        ),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no part of a tensor")
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, _, size, *_ = pid
        return _Storage(key, dtype, size)


def _values(file: BinaryIO, storage: _Storage) -> np.ndarray:
    """The numbers of a storage, behind their count."""
    if int.from_bytes(file.read(8), "little") != storage.size:
        raise ValueError("a storage has another size than its tensor says")
    size = storage.size * np.dtype(storage.dtype).itemsize
    if size > os.fstat(file.fileno()).st_size:  # before memory is taken for it
        raise ValueError("a storage is larger than the file")
    data = file.read(size)
    return np.frombuffer(data, storage.dtype, storage.size)
