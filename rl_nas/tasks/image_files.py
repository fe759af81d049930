"""Images in files as a data set."""

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.broken_images import header_remarks, readable_headers, refusal_of
from rl_nas.child.data.examples import Examples
from rl_nas.child.data.image_decoding import image_problem
from rl_nas.child.data.image_header import ImageHeader

IMAGE = "image"
"""Feature of the images."""

_DECODED = 20_000
"""Most images that are decoded to find all that are broken, where the header of one is."""


class ImageFiles(Examples):
    """Images in files, with targets that a class of its own reads.

    Attributes:
        files: name, a path below the split's folder, and file of each image, by split.
    """

    upright = True

    def __init__(
        self,
        root: Path,
        files: Mapping[str, Sequence[tuple[str, Path]]],
        headers: Sequence[ImageHeader],
        targets: Mapping[str, Any],
        remarks: Sequence[str],
    ) -> None:
        """Keeps the names of the files.

        Args:
            root: the folder.
            files: see `files`.
            headers: of all files, split after split.
            targets: features of the targets, by name.
            remarks: lines on what was left out.
        """
        paths = [file for found in files.values() for _, file in found]
        self.name, self.files = root.resolve().name, files
        self.remarks = [*remarks, *header_remarks(paths, headers, root)]
        self.sizes = {split: len(found) for split, found in files.items()}
        self.image_sizes = Counter(header.seen for header in headers)
        height, width = next(iter(self.image_sizes)) if len(self.image_sizes) == 1 else (None, None)
        self.features: Mapping[str, Any] = {IMAGE: tfds.features.Image(shape=(height, width, 3)), **targets}

    @abstractmethod
    def targets(self, split: str) -> Callable[[tf.Tensor], dict[str, Any]]:
        """What reads the targets of an example of a split, by feature, at its number."""

    def bytes(self, split: str) -> int:
        """Size of the images' files of a split."""
        return sum(file.stat().st_size for _, file in self.files[split])

    def read(self, split: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Examples of a split, see `Examples.read`; targets are left as they are stored, too."""
        order = np.arange(self.sizes[split])
        if shuffle_seed is not None:
            np.random.default_rng(shuffle_seed).shuffle(order)
        files, targets = paths_tensor([file for _, file in self.files[split]]), self.targets(split)

        def example(number: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
            return number, {IMAGE: tf.io.read_file(files[number]), **targets(number)}

        return tf.data.Dataset.from_tensor_slices(order).map(example, num_parallel_calls=tf.data.AUTOTUNE)

    def names(self, split: str) -> Sequence[str]:
        """The path of each image below the folder of its split."""
        return [name for name, _ in self.files[split]]

    def listing(self, split: str) -> Iterable[str]:
        """Names and sizes of the images' files."""
        return (f"{name} {file.stat().st_size}\n" for name, file in self.files[split])

    def unreadable(self) -> dict[str, str]:
        """The images that cannot be decoded, see `Examples.unreadable`."""
        return broken_files(file for found in self.files.values() for _, file in found)


def paths_tensor(files: Sequence[Path]) -> tf.Tensor:
    """The paths of files, strings of bytes: names need not be UTF-8."""
    return tf.constant([os.fsencode(file) for file in files], tf.string, [len(files)])


def whole_headers(files: Sequence[Path]) -> list[ImageHeader]:
    """The headers of images, in their order.

    Raises:
        UsageError: some have none; it names all files that cannot be decoded, of very many only the first ones.
    """
    headers, problems = readable_headers(files)
    if problems:
        raise refusal_of({**problems, **broken_files(file for file in files[:_DECODED] if str(file) not in problems)})
    return [headers[file] for file in files]


def broken_files(files: Iterable[Path | str]) -> dict[str, str]:
    """The files that cannot be decoded as images -> what is wrong with each, after its name."""
    problems = {str(file): image_problem(tf.io.read_file(os.fsencode(file)).numpy()) for file in files}
    return {file: problem for file, problem in problems.items() if problem is not None}
