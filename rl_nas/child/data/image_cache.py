"""The decoded images of a search on the disk: they are decoded once, and workers share the pages of their files."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rl_nas.child.data.images import ImageData

_ARRAYS = ("train_images", "train_labels", "valid_images", "valid_labels")
_CLASSES = "class_names.json"


@contextlib.contextmanager
def image_cache(data: ImageData, folder: Path) -> Iterator[None]:
    """Keeps images in a folder while the body runs; where they do not fit, every process decodes them for itself."""
    shutil.rmtree(folder, ignore_errors=True)  # of a search that was killed
    try:
        with contextlib.suppress(OSError):
            folder.mkdir()
            for name in _ARRAYS:
                np.save(folder / f"{name}.npy", getattr(data, name), allow_pickle=False)
            (folder / _CLASSES).write_text(json.dumps(data.class_names), encoding="utf-8")  # the last: all are there
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_image_cache(folder: Path) -> ImageData | None:
    """The images that a folder keeps, not yet read from the disk; None if there are none."""
    try:
        names = json.loads((folder / _CLASSES).read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    except OSError:
        return None
    return ImageData(**arrays, class_names=tuple(names))
