"""Features of a frozen backbone on disk: computed once for all runs, in files whose pages processes share."""

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import tensorflow as tf

from rl_nas.child.data.images import ImageData
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.backbone import Backbone
from rl_nas.errors import StorageError, UsageError
from rl_nas.networks.features import FeatureMaps, feature_name
from rl_nas.store.files import storage_errors
from rl_nas.units import size_text

_BATCH = 32
_TRAIN, _VALID, _INDEX = "train", "valid", "index.json"


class CachedFeatures(NamedTuple):
    """Features of all images of a search.

    Attributes:
        folder: of the files.
        maps: their shapes.
        mirrored: whether there are those of mirrored training images too.
        train: float32 [1 or 2, images, height, width, channels] by name; the second copy is of mirrored images.
        valid: float32 [images, height, width, channels] by name, of held-out images.
    """

    folder: Path
    maps: FeatureMaps
    mirrored: bool
    train: dict[str, np.ndarray]
    valid: dict[str, np.ndarray]


def cached_features(
    backbone: Backbone,
    data: ImageData,
    normalization: Normalization,
    root: Path,
    *,
    mirrored: bool,
    tell: Callable[[str], None],
) -> CachedFeatures:
    """Opens the features of a backbone on a data set; computes them if they are not on disk.

    Args:
        backbone: frozen.
        data: the images.
        normalization: of the images.
        root: folder of all caches.
        mirrored: compute features of mirrored training images too.
        tell: called with a line before features are computed.

    Raises:
        UsageError: there is not enough space on the disk.
        StorageError: the folder cannot be written.
    """
    folder = root / _key(backbone, data, normalization, mirrored)
    found = _opened(folder, backbone.maps, data, mirrored)
    if found is not None:
        return found
    size = _bytes(backbone.maps, data, mirrored)
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        _remove_left(root)
        free = shutil.disk_usage(root).free
    images = len(data.train_images) * (2 if mirrored else 1) + len(data.valid_images)
    if size > free:
        raise UsageError(
            f"features of {images} images take {size_text(size)}, but {root} has {size_text(free)} left: give"
            " another --feature_dir, fewer --train_images, or --feature_cache=no"
        )
    tell(f"features: computing those of {images} images once, {size_text(size)} in {folder}")
    with storage_errors(root):
        _write(backbone, data, normalization, mirrored, folder)
    found = _opened(folder, backbone.maps, data, mirrored)
    if found is None:
        raise StorageError(f"features in {folder} cannot be read back; delete the folder and start again")
    return found


def default_root() -> Path:
    """The user's folder of caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rl_nas" / "features"


def _key(backbone: Backbone, data: ImageData, normalization: Normalization, mirrored: bool) -> str:
    digest = hashlib.sha256(repr((backbone.fingerprint(), normalization, backbone.maps, mirrored)).encode())
    for images in (data.train_images, data.valid_images):
        digest.update(repr(images.shape).encode())
        digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()[:24]


def _shapes(maps: FeatureMaps, data: ImageData, mirrored: bool) -> dict[str, tuple[int, ...]]:
    """File -> shape of its array."""
    named = {feature_name(stride): shape for stride, shape in maps.shapes.items()}
    train = {f"{_TRAIN}.{name}": (1 + mirrored, len(data.train_images), *shape) for name, shape in named.items()}
    return {**train, **{f"{_VALID}.{name}": (len(data.valid_images), *shape) for name, shape in named.items()}}


def _bytes(maps: FeatureMaps, data: ImageData, mirrored: bool) -> int:
    return sum(4 * int(np.prod(shape)) for shape in _shapes(maps, data, mirrored).values())


def _opened(folder: Path, maps: FeatureMaps, data: ImageData, mirrored: bool) -> CachedFeatures | None:
    shapes = _shapes(maps, data, mirrored)
    arrays: dict[str, dict[str, np.ndarray]] = {_TRAIN: {}, _VALID: {}}
    try:
        json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        for name, shape in shapes.items():
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if array.shape != shape or array.dtype != np.float32:
                return None
            part, _, feature = name.partition(".")
            arrays[part][feature] = array
    except (OSError, ValueError):
        return None
    return CachedFeatures(folder, maps, mirrored, arrays[_TRAIN], arrays[_VALID])


def _write(backbone: Backbone, data: ImageData, normalization: Normalization, mirrored: bool, folder: Path) -> None:
    """Writes aside and moves into place: a folder of that name is always whole."""
    draft = folder.with_name(f".{folder.name}.{platform.node()}.{os.getpid()}")
    draft.mkdir()
    try:
        shapes = _shapes(backbone.maps, data, mirrored)
        arrays = {name: _made(draft / f"{name}.npy", shape) for name, shape in shapes.items()}
        for copy in range(1 + mirrored):
            flipped = data.train_images[:, :, ::-1] if copy else data.train_images
            _compute(backbone, normalization, flipped, {n: a[copy] for n, a in arrays.items() if n.startswith(_TRAIN)})
        _compute(backbone, normalization, data.valid_images, {n: a for n, a in arrays.items() if n.startswith(_VALID)})
        for array in arrays.values():
            array.flush()
        (draft / _INDEX).write_text(json.dumps({"maps": backbone.maps.shapes}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # broken, or it would have been opened
        with contextlib.suppress(OSError):  # another run was faster
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_left(root: Path) -> None:
    """Deletes what runs of this machine that were killed have left."""
    for left in root.glob(f".*.{platform.node()}.*"):
        process = left.suffix[1:]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _made(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new array in a file whose space is reserved: a mapped file that finds none later ends the process."""
    try:
        array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise StorageError(
            f"{path.parent.parent}: its file system cannot map files, as features need; give a --feature_dir on"
            " another, or --feature_cache=no"
        ) from error
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # some file systems reserve nothing
                    raise
    return array


def _compute(
    backbone: Backbone, normalization: Normalization, images: np.ndarray, arrays: Mapping[str, np.ndarray]
) -> None:
    for start in range(0, len(images), _BATCH):
        maps = backbone(normalization(tf.constant(images[start : start + _BATCH])))
        for name, array in arrays.items():
            values = np.asarray(maps[name.partition(".")[2]])
            array[start : start + len(values)] = values
