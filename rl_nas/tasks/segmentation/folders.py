"""Folders of images with masks as a data set."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from typing_extensions import override

from rl_nas.child.data.image_header import MOST_BYTES
from rl_nas.errors import UsageError
from rl_nas.regular_files import check_regular
from rl_nas.tasks.folder_files import check_inside, read_header
from rl_nas.tasks.image_files import IMAGE, ImageFiles
from rl_nas.tasks.segmentation.class_list import ClassList, read_classes
from rl_nas.tasks.segmentation.layouts import Pair, find_pairs
from rl_nas.tasks.segmentation.masks import HEADER_BYTES, check_size, decode_mask
from rl_nas.tasks.segmentation.masks import read_header as read_mask_header

MASK, NAME = "mask", "mask/filename"
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


class MaskFolder(ImageFiles):
    """Images with masks in files."""

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
        self._pairs = pairs
        seen = {_checked_size(pair, root) for found in pairs.values() for pair in found}
        files = {split: [(pair.name, pair.image) for pair in found] for split, found in pairs.items()}
        features = {MASK: MaskFile(_listed_classes(root)), NAME: tfds.features.Text()}
        super().__init__(root, files, seen, features, remarks)

    @override
    def bytes(self, split: str) -> int:
        return super().bytes(split) + sum(pair.mask.stat().st_size for pair in self._pairs[split])

    @override
    def listing(self, split: str) -> Iterable[str]:
        yield from super().listing(split)
        yield from (f"{pair.mask.stat().st_size}\n" for pair in self._pairs[split])

    @override
    def targets(self, split: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        files = tf.constant([str(pair.mask) for pair in self._pairs[split]])
        return lambda number: {MASK: tf.io.read_file(files[number]), NAME: files[number]}

    @override
    def unreadable(self) -> str | None:
        """The first file that cannot be decoded, an image if there is one; None: all can be."""
        image = super().unreadable()
        return image or next((str(file) for file in self._masks() if not _is_readable(file)), None)

    def _masks(self) -> Iterator[Path]:
        return (pair.mask for found in self._pairs.values() for pair in found)


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
    image = read_header(pair.image, root)
    check_regular(pair.mask, MOST_BYTES)
    with pair.mask.open("rb") as opened:
        start = opened.read(HEADER_BYTES)
    check_size(read_mask_header(start, str(pair.mask)).size, image, str(pair.mask))
    return image.seen


def _is_readable(mask: Path) -> bool:
    try:
        decode_mask(mask.read_bytes(), str(mask))
    except UsageError:
        return False
    return True
