"""Folders of images by class as a data set."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.broken_images import check_files, header_remarks
from rl_nas.child.data.examples import Examples
from rl_nas.tasks.classification.class_files import ClassFiles, list_classes
from rl_nas.tasks.folder_files import check_links
from rl_nas.tasks.image_files import IMAGE, broken_files, whole_headers

LABEL, NAME = "label", "image/filename"

_LOOKED_AT = 20_000
"""Images whose headers are read; of more, as many that are spread evenly over all."""


class ClassFolder(Examples):
    """The images in a folder for each class, in a folder for each split or in one for all.

    The order of a split's images is random, and always the same.
    """

    supervised = (IMAGE, LABEL)
    upright = True

    def __init__(self, path: str, found: ClassFiles, *, trust: bool = False) -> None:
        """Looks at the headers of images.

        Args:
            path: the folder.
            found: its images.
            trust: whether links may lead out of the folder.

        Raises:
            UsageError: a file is no image, or a link out of the folder.
        """
        self.name, self._folders = os.path.basename(path), found.folders
        self._files: dict[str, list[tuple[str, int]]] = {}
        for split, files in found.files.items():
            self._files[split] = list(files)
            # As TFDS's ImageFolder does: held-out images are those of version 0.1.
            random.Random(split).shuffle(self._files[split])
        self.sizes = {split: len(files) for split, files in self._files.items()}
        self.remarks: list[str] = [*found.remarks]
        size: tuple[int | None, int | None] = (None, None)
        if "://" not in path:
            self.remarks += check_links(found.links, path, trust=trust)
            self._look_at_headers(path)
            if len(self.image_sizes) == 1 and sum(self.image_sizes.values()) == sum(self.sizes.values()):
                size = next(iter(self.image_sizes))
        self.features: dict[str, Any] = {
            IMAGE: tfds.features.Image(shape=(*size, 3)),
            LABEL: tfds.features.ClassLabel(names=list(found.class_names)),
            NAME: tfds.features.Text(),
        }

    def _look_at_headers(self, path: str) -> None:
        files = [Path(self._whole(split, file)) for split, found in self._files.items() for file, _ in found]
        looked_at = files[:: -(-len(files) // _LOOKED_AT)]
        if len(looked_at) < len(files):
            check_files(files)
        headers = whole_headers(looked_at)
        self.image_sizes = Counter(header.seen for header in headers)
        self.remarks += header_remarks(looked_at, headers, path)

    def bytes(self, split: str) -> int:
        """Size of a split's files."""
        return sum(tf.io.gfile.stat(self._whole(split, file)).length for file, _ in self._files[split])

    def read(self, split: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Numbers and examples, in their order, which is random."""
        paths = [os.fsencode(self._whole(split, file)) for file, _ in self._files[split]]
        labels = tf.constant(self.labels(split, LABEL))

        def example(number: tf.Tensor, one: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            return number, {IMAGE: tf.io.read_file(one[0]), LABEL: one[1], NAME: one[0]}

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

    def labels(self, split: str, feature: str) -> np.ndarray:
        """The class of each image."""
        return np.array([label for _, label in self._files[split]], np.int64)

    def unreadable(self) -> dict[str, str]:
        """The files that cannot be decoded, see `Examples.unreadable`."""
        return broken_files(self._whole(split, file) for split, found in self._files.items() for file, _ in found)

    def _whole(self, split: str, file: str) -> str:
        return f"{self._folders[split]}/{file}"


def class_folder(path: str, *, trust: bool = False) -> ClassFolder | None:
    """The images of a folder with `CLASS/NAME.jpg` or `train/CLASS/NAME.jpg`; None if it has none of this.

    Args:
        path: the folder, local or in a bucket.
        trust: whether links may lead out of the folder.

    Raises:
        UsageError: it has such a layout, but something in it is wrong.
    """
    path = path.rstrip("/") if "://" in path else str(Path(path))
    found = list_classes(path)
    return None if found is None else ClassFolder(path, found, trust=trust)
