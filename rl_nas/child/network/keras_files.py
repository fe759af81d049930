"""Reading of .keras files that may be a stranger's: in safe mode, and never larger in memory than on the disk."""

import zipfile
from pathlib import Path

import h5py
import keras

from rl_nas.regular_files import MIB, check_regular

_MOST_BYTES = 64 * 1024 * MIB
_GROWTH, _SPARE = 4, 64 * MIB
"""Factor by which what a file holds may be larger than it, and bytes besides: Keras compresses nothing."""


def load_keras_model(file: str | Path) -> keras.Model:
    """The model in a .keras or .h5 file, without its training's state; its layers run no code of the file.

    Raises:
        OSError: the file cannot be read, or is no regular one.
        ValueError: it would take far more memory than its size, or is no model.
        Exception: of many types, as files may be broken in any way.
    """
    _check_growth(Path(file))
    return keras.models.load_model(file, compile=False, safe_mode=True)


def _check_growth(file: Path) -> None:
    """Raises `ValueError` for a file whose parts say that they are much larger than it."""
    if file.is_dir():
        return
    check_regular(file, _MOST_BYTES)
    most = _GROWTH * file.stat().st_size + _SPARE
    if not zipfile.is_zipfile(file):
        if h5py.is_hdf5(file):
            with h5py.File(file, "r") as weights:
                _check_size(_size_of(weights), most)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            _check_size(sum(member.file_size for member in archive.infolist()), most)
            for member in archive.infolist():
                if member.filename.endswith(".h5"):
                    with archive.open(member) as content, h5py.File(content, "r") as weights:
                        _check_size(_size_of(weights), most)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"not a Keras file ({error})") from error


def _size_of(weights: h5py.File) -> int:
    """Bytes of all arrays in memory, as their headers declare them: those on the disk may be compressed, or absent."""
    sizes: list[int] = []
    weights.visititems(lambda name, part: sizes.append(part.nbytes) if isinstance(part, h5py.Dataset) else None)
    return sum(sizes)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"what it holds has {size:,} bytes; expected at most {most:,}, by the size of the file")
