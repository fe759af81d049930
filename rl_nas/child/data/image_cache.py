"""The decoded images of a search on disk: decoded once, in files whose pages the workers share."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.child.data.images import ImageData
from rl_nas.store.files import write_text
from rl_nas.units import size_text

_IMAGES = ("train_images", "valid_images")
_TARGETS = ("train_targets", "valid_targets")
_INDEX = "index.json"
_MOST_OF_FREE = 0.9
"""The largest part of the free space that images may take: a search writes other files too."""


@contextlib.contextmanager
def image_cache(data: ImageData, folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Keeps images in a folder while the body runs; if they find no room, every process decodes its own.

    Args:
        data: the images.
        folder: to be made; what a search that was killed has left there is deleted.
        tell: called with a line if there is no room.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _keep(data, folder, tell)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(data: ImageData, folder: Path, tell: Callable[[str], None]) -> None:
    arrays = {name: getattr(data, name) for name in _IMAGES}
    for name in _TARGETS:
        targets = getattr(data, name)
        parts = targets.items() if isinstance(targets, dict) else [(None, targets)]
        arrays |= {_file(name, part): array for part, array in parts}
    try:
        size, free = sum(array.nbytes for array in arrays.values()), shutil.disk_usage(folder.parent).free
        if size > _MOST_OF_FREE * free:
            problem = f"take {size_text(size)}, but {folder.parent} has {size_text(free)} left"
        else:
            _write(arrays, data, folder)
            return
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # what is there of them would fill the disk
        problem = f"cannot be kept: {folder}: {error.strerror or error}"
    tell(f"decoded images {problem}; every worker decodes its own")


def _write(arrays: Mapping[str, np.ndarray], data: ImageData, folder: Path) -> None:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    parts = list(data.train_targets) if isinstance(data.train_targets, dict) else None
    # Written last, and at once: all arrays are there.
    write_text(folder / _INDEX, json.dumps({"class_names": data.class_names, "targets": parts}))


def load_image_cache(folder: Path) -> ImageData | None:
    """The images in a folder, memory-mapped; None if there are none."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        arrays: dict[str, Any] = {name: _load(folder, name) for name in _IMAGES}
        for name in _TARGETS:
            if index["targets"] is None:
                arrays[name] = _load(folder, name)
            else:
                arrays[name] = {part: _load(folder, _file(name, part)) for part in index["targets"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ImageData(**arrays, class_names=tuple(index["class_names"]))


def _file(name: str, part: str | None) -> str:
    return name if part is None else f"{name}.{part}"


def _load(folder: Path, name: str) -> np.ndarray:
    return np.asanyarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
