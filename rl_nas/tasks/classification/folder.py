"""Folders of images by class: train/CLASS/NAME.jpg, as most tools for image classification expect them."""

import os
import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.examples import Examples
from rl_nas.child.data.image_header import MOST_BYTES
from rl_nas.child.data.image_limits import can_be_decoded
from rl_nas.errors import UsageError
from rl_nas.regular_files import check_regular

_EXTENSIONS = (".png", ".jpg", ".jpeg")
_SHOWN = 3


class ClassFolder(Examples):
    """The images in a folder for each class, in a folder for each split.

    The order of a split's images is random, and always the same.
    """

    supervised = ("image", "label")
    upright = True

    def __init__(self, path: str) -> None:
        """Lists the images.

        Raises:
            UsageError: there are none to train on, a class has none, or another split has a class that train lacks.
        """
        listed, left_out = _list_splits(path)
        if not any(one.files for one in listed["train"]):
            raise UsageError(f"--dataset=folder:{path}: no .png, .jpg or .jpeg in the folders of {path}/train")
        _check_classes(path, listed)
        self.remarks: tuple[str, ...] = ()
        if left_out:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
            self.remarks = (f"{path}: left out what is not SPLIT/CLASS/NAME.png, .jpg or .jpeg: {kinds}",)
        self.name = os.path.basename(path)
        names = [one.name for one in listed["train"]]
        number_of = {name: number for number, name in enumerate(names)}
        self.features = {
            "image": tfds.features.Image(),
            "label": tfds.features.ClassLabel(names=names),
            "image/filename": tfds.features.Text(),
        }
        self._path, self._files = path, {}
        for split, classes in listed.items():
            files = [(file, number_of[one.name]) for one in classes for file in one.files]
            random.Random(split).shuffle(files)  # as TFDS's ImageFolder does: held-out images are those of version 0.1
            if files:
                self._files[split] = files
        self.sizes = {split: len(files) for split, files in self._files.items()}

    def bytes(self, split: str) -> int:
        """Size of a split's files."""
        return sum(tf.io.gfile.stat(self._whole(split, file)).length for file, _ in self._files[split])

    def read(self, split: str, encoded: Collection[str], shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Numbers and examples, in their order, which is random."""
        decode = None if "image" in encoded else self.features["image"].decode_example
        paths = [self._whole(split, file) for file, _ in self._files[split]]
        labels = tf.constant([label for _, label in self._files[split]], tf.int64)

        def example(number: tf.Tensor, one: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            content = tf.io.read_file(one[0])
            image = content if decode is None else decode(content)
            return number, {"image": image, "label": one[1], "image/filename": one[0]}

        return tf.data.Dataset.from_tensor_slices((paths, labels)).enumerate().map(example, tf.data.AUTOTUNE)

    def names(self, split: str) -> Sequence[str]:
        """Paths in the split's folder."""
        return [file for file, _ in self._files[split]]

    def listing(self, split: str) -> Iterable[str]:
        """Names, classes and sizes of the files; in a bucket, where to ask for each size takes long, no sizes."""
        for file, label in self._files[split]:
            path = self._whole(split, file)
            size = "" if "://" in path else os.path.getsize(path)
            yield f"{file} {label} {size}\n"

    def unreadable(self) -> str | None:
        """The first file that is not an image."""
        for split in self.sizes:
            for _, example in self.read(split, ["image"]):
                if not can_be_decoded(example["image"]):
                    return str(example["image/filename"].numpy().decode())
        return None

    def _whole(self, split: str, file: str) -> str:
        return f"{self._path}/{split}/{file}"


def class_folder(path: str) -> ClassFolder | None:
    """The images of a folder with `train/CLASS`; None if it has none, without a look at the files."""
    path = path.rstrip("/")
    train = f"{path}/train"
    return ClassFolder(path) if tf.io.gfile.isdir(train) and any(_folders(train)) else None


class _Class(NamedTuple):
    """A class in a split, and its images: paths in the split's folder."""

    name: str
    files: list[str]


def _list_splits(path: str) -> tuple[dict[str, list[_Class]], Counter[str]]:
    """The classes of every split, in order, and what is neither folder nor image where it should be: kind -> count."""
    splits, left_out = {}, Counter[str]()
    for split in _folders(path):
        splits[split] = [_list_class(f"{path}/{split}", name, left_out) for name in _folders(f"{path}/{split}")]
        named = {one.name for one in splits[split]}
        left_out.update(_kind(name) for name in _entries(f"{path}/{split}") if name not in named)
    return splits, left_out


def _list_class(folder: str, name: str, left_out: Counter[str]) -> _Class:
    files = []
    for entry in _entries(f"{folder}/{name}"):
        if entry.lower().endswith(_EXTENSIONS):
            _check_file(f"{folder}/{name}/{entry}")
            files.append(f"{name}/{entry}")
        else:
            left_out[_kind(entry)] += 1
    return _Class(name, files)


def _check_file(path: str) -> None:
    """Raises `UsageError` for what would never be read to its end; files of buckets are regular."""
    try:
        check_regular(path, MOST_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; remove it") from error


def _kind(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "without an extension"


def _check_classes(path: str, splits: dict[str, list[_Class]]) -> None:
    known = {one.name for one in splits["train"]}
    empty = [one.name for one in splits["train"] if not one.files]
    if empty:
        raise UsageError(f"--dataset=folder:{path}: no image of {_some(empty)} in {path}/train; remove empty folders")
    for split, classes in splits.items():
        unknown = [one.name for one in classes if one.files and one.name not in known]
        if unknown:
            raise UsageError(
                f"--dataset=folder:{path}: {split} has images of {_some(unknown)}, which train has not; expected the"
                " same classes"
            )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _folders(path: str) -> list[str]:
    names = (name for name in _entries(path) if not name.lower().endswith(_EXTENSIONS))
    return [name for name in names if tf.io.gfile.isdir(f"{path}/{name}")]


def _entries(path: str) -> list[str]:
    return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(path))
