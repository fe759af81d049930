"""Folders of images with masks as a data set."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.examples import Examples
from rl_nas.child.data.image_header import read_image_header
from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.class_list import ClassList, read_classes
from rl_nas.tasks.segmentation.layouts import Pair, check_inside, find_pairs
from rl_nas.tasks.segmentation.masks import HEADER_BYTES, check_size, decode_mask, read_header

IMAGE, MASK, NAME = "image", "mask", "mask/filename"
"""Features of the examples."""

_CLASSES = "classes.txt"


class MaskFile(tfds.features.Tensor):
    """The content of a mask's file.

    No `tfds.features.Image`, which would give the colours of palette images instead of their indices.

    Attributes:
        classes: those that the folder lists; None: it does not.
    """

    def __init__(self, classes: ClassList | None) -> None:
        super().__init__(shape=(), dtype=np.str_)
        self.classes = classes


class MaskFolder(Examples):
    """Images with masks in files."""

    upright = True
    supervised = (IMAGE, MASK)

    def __init__(self, root: Path, pairs: Mapping[str, Sequence[Pair]], remarks: Sequence[str] = ()) -> None:
        """Reads the headers of all files.

        Args:
            root: the folder, which may hold classes.txt.
            pairs: the files, by split.
            remarks: lines on what was left out.

        Raises:
            UsageError: a file is no image or leads out of the folder, or a mask has not the size of its stored image.
        """
        self.name, self._pairs, self.remarks = root.resolve().name, pairs, remarks
        self.sizes = {split: len(found) for split, found in pairs.items()}
        seen = {_checked_size(pair, root) for found in pairs.values() for pair in found}
        height, width = seen.pop() if len(seen) == 1 else (None, None)
        self.features: Mapping[str, Any] = {
            IMAGE: tfds.features.Image(shape=(height, width, 3)),
            MASK: MaskFile(_listed_classes(root)),
            NAME: tfds.features.Text(),
        }

    def bytes(self, split: str) -> int:
        """Size of the files of a split."""
        return sum(file.stat().st_size for pair in self._pairs[split] for file in (pair.image, pair.mask))

    def read(self, split: str, encoded: Collection[str], shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Examples of a split, see `Examples.read`; masks are always left as they are stored."""
        images = [str(pair.image) for pair in self._pairs[split]]
        masks = [str(pair.mask) for pair in self._pairs[split]]
        order = np.arange(len(images))
        if shuffle_seed is not None:
            np.random.default_rng(shuffle_seed).shuffle(order)
        image_files, mask_files = tf.constant(images), tf.constant(masks)

        def example(number: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            image, mask = tf.io.read_file(image_files[number]), tf.io.read_file(mask_files[number])
            if IMAGE not in encoded:
                image = self.features[IMAGE].decode_example(image)
            return number, {IMAGE: image, MASK: mask, NAME: mask_files[number]}

        return tf.data.Dataset.from_tensor_slices(order).map(example, num_parallel_calls=tf.data.AUTOTUNE)

    def names(self, split: str) -> Sequence[str]:
        """The path of each image below the folder of its split."""
        return [pair.name for pair in self._pairs[split]]

    def unreadable(self) -> str | None:
        """The first file that cannot be decoded; None: all can be."""
        for pair in (pair for found in self._pairs.values() for pair in found):
            try:
                tf.io.decode_image(tf.io.read_file(str(pair.image)), channels=3, expand_animations=False)
            except tf.errors.InvalidArgumentError:
                return str(pair.image)
            try:
                decode_mask(pair.mask.read_bytes(), str(pair.mask))
            except UsageError:
                return str(pair.mask)
        return None


def mask_folder(path: str, suffix: str | None = None) -> MaskFolder | None:
    """The images and masks of a local folder; None if it is in none of the `LAYOUTS`.

    Args:
        path: the folder.
        suffix: what names of masks add to those of images, see `match_names`.

    Raises:
        UsageError: it has a layout, but not all that this needs.
    """
    root, remarks = Path(path), list[str]()
    try:
        pairs = find_pairs(root, suffix, remarks.append) if root.is_dir() else None
        if pairs is None:
            return None
        if not any(pairs.values()):
            raise UsageError(f"{root} has folders of images and masks, but no image in them")
        return MaskFolder(root, pairs, remarks)
    except OSError as error:
        raise UsageError(f"{error.filename or root} cannot be read: {error.strerror or error}") from error


def _listed_classes(root: Path) -> ClassList | None:
    """The classes that a folder lists, if it does."""
    listed = root / _CLASSES
    check_inside(listed, root)
    return read_classes(str(listed), flag=_CLASSES) if listed.is_file() else None


def _checked_size(pair: Pair, root: Path) -> tuple[int, int]:
    """Height and width of an image as it is seen, by the headers of its files alone."""
    for file in (pair.image, pair.mask):
        check_inside(file, root)
        if not file.is_file():
            raise UsageError(f"no file {file}; expected an image for each mask")
    try:
        image = read_image_header(pair.image, ("JPEG", "PNG"))
    except Exception as error:  # of many types: files may be broken in any way
        raise UsageError(f"{pair.image} cannot be decoded; fix or remove it") from error
    with pair.mask.open("rb") as opened:
        header = opened.read(HEADER_BYTES)
    check_size(read_header(header, str(pair.mask)).size, image, str(pair.mask))
    return image.seen
