"""The decoded images of a search on disk: decoded once, in files whose pages the workers share."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.child.data.images import ImageData
from rl_nas.errors import StorageError
from rl_nas.store.files import write_text

_IMAGES = ("train_images", "valid_images")
_TARGETS = ("train_targets", "valid_targets")
_INDEX = "index.json"


@contextlib.contextmanager
def image_cache(data: ImageData, folder: Path) -> Iterator[None]:
    """Keeps images in a folder while the body runs; if they do not fit, every process decodes its own."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a search that was killed
    try:
        with contextlib.suppress(OSError, StorageError):
            folder.mkdir()
            for name in _IMAGES:
                _save(folder, name, getattr(data, name))
            for name in _TARGETS:
                targets = getattr(data, name)
                for part, array in targets.items() if isinstance(targets, dict) else [(None, targets)]:
                    _save(folder, _file(name, part), array)
            parts = list(data.train_targets) if isinstance(data.train_targets, dict) else None
            index = {"class_names": data.class_names, "targets": parts}
            # Written last, and at once: all arrays are there.
            write_text(folder / _INDEX, json.dumps(index))
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _save(folder: Path, name: str, array: np.ndarray) -> None:
    np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _load(folder: Path, name: str) -> np.ndarray:
    return np.asanyarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
