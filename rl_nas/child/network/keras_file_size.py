"""The size in memory of .keras files that may be a stranger's: never far larger than on the disk."""

import os
import zipfile

import h5py

from rl_nas.regular_files import MIB, check_regular

_MOST_BYTES = 64 * 1024 * MIB
_GROWTH, _SPARE = 4, 64 * MIB
"""Factor by which what a file holds may be larger than it, and bytes besides: Keras compresses nothing."""


def check_growth(path: str | os.PathLike[str]) -> None:
    """Checks that the parts of a .keras file do not say that they are much larger than it.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: they do, or it is no archive.
    """
    check_regular(path, _MOST_BYTES)
    most = _GROWTH * os.stat(path).st_size + _SPARE
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(sum(member.file_size for member in archive.infolist()), most)
            for member in archive.infolist():
                if member.filename.endswith(".h5"):
                    with archive.open(member) as content, h5py.File(content, "r") as weights:
                        _check_size(_size_of(weights), most)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"not a .keras file ({error})") from error


def _size_of(weights: h5py.File) -> int:
    """Bytes of all arrays in memory, as their headers declare them: those on the disk may be compressed, or absent."""
    sizes: list[int] = []
    weights.visititems(lambda name, part: sizes.append(part.nbytes) if isinstance(part, h5py.Dataset) else None)
    return sum(sizes)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"what it holds has {size:,} bytes; expected at most {most:,}, by the size of the file")
