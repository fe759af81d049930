"""Reading of NumPy archives that may be a stranger's: what they say they hold is checked before it is unpacked."""

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

_MOST_HEADER = 10_000


def read_arrays(
    file: Path | bytes, most: int | None = None, names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name; reading them executes no code.

    Args:
        file: its path, or its content.
        most: bytes that the arrays may have in memory together; None: as many as the file, which is not compressed.
        names: of the arrays that are read; None: all.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such archive, or its arrays are larger.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            read = [name for name in members if names is None or name in names]
            _check_sizes([members[name] for name in read], most)
            arrays = {}
            for name in read:
                with archive.open(members[name]) as content:
                    arrays[name] = _array(content, name, members[name].file_size)
            return arrays
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"not a NumPy archive ({error})") from error


def _check_sizes(members: Collection[zipfile.ZipInfo], most: int | None) -> None:
    whole = sum(member.file_size for member in members)
    limit = sum(member.compress_size for member in members) if most is None else most
    if whole > limit:
        what = "it would be without compression" if most is None else "expected"
        raise ValueError(f"arrays of {whole:,} bytes in all; at most {limit:,} are {what}")


def _array(content: IO[bytes], name: str, size: int) -> np.ndarray:
    """An array of a member of an archive, which has to have as many bytes as its header says."""
    version = npy.read_magic(content)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, in_columns, dtype = header(content, max_header_size=_MOST_HEADER)
    if dtype.hasobject:
        raise ValueError(f"array {name} has Python objects; expected numbers or texts")
    if math.prod(shape) * max(1, dtype.itemsize) > size:  # empty texts have no bytes, however many there are
        raise ValueError(f"array {name} has the shape {shape}, but {size:,} bytes")
    return np.ndarray(shape, dtype, bytearray(content.read()), order="F" if in_columns else "C")
