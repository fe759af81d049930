"""Folders of images with masks as a data set."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from typing_extensions import override

from rl_nas.child.data.image_header import ImageHeader
from rl_nas.errors import UsageError
from rl_nas.tasks.folder_files import check_inside, headers_inside
from rl_nas.tasks.image_files import IMAGE, ImageFiles, paths_tensor, whole_headers
from rl_nas.tasks.segmentation.class_list import ClassList, read_classes
from rl_nas.tasks.segmentation.layouts import Pair, find_pairs
from rl_nas.tasks.segmentation.masks import check_size, decode_mask, file_size

MASK, NAME = "mask", "mask/filename"
"""Features of the examples."""

_CLASSES = "classes.txt"


class MaskFile(tfds.features.Tensor):
    """The content of a mask's file.

    No `tfds.features.Image`, which would give the colors of palette images instead of their indices.

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
        headers = _checked_headers([pair for found in pairs.values() for pair in found], root)
        files = {split: [(pair.name, pair.image) for pair in found] for split, found in pairs.items()}
        features = {MASK: MaskFile(_listed_classes(root)), NAME: tfds.features.Text()}
        super().__init__(root, files, headers, features, remarks)

    @override
    def bytes(self, split: str) -> int:
        return super().bytes(split) + sum(pair.mask.stat().st_size for pair in self._pairs[split])

    @override
    def listing(self, split: str) -> Iterable[str]:
        yield from super().listing(split)
        yield from (f"{pair.mask.stat().st_size}\n" for pair in self._pairs[split])

    @override
    def targets(self, split: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        files = paths_tensor([pair.mask for pair in self._pairs[split]])
        return lambda number: {MASK: tf.io.read_file(files[number]), NAME: files[number]}

    @override
    def unreadable(self) -> dict[str, str]:
        """The files that cannot be decoded, images and masks."""
        problems = {str(file): _mask_problem(file) for file in self._masks()}
        return {**super().unreadable(), **{file: problem for file, problem in problems.items() if problem is not None}}

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


def _checked_headers(pairs: Sequence[Pair], root: Path) -> list[ImageHeader]:
    """The headers of the images, whose masks have their sizes by the headers of the files alone."""
    for file in (file for pair in pairs for file in (pair.image, pair.mask)):
        check_inside(file, root)
        if not file.is_file():
            raise UsageError(f"no file {file}; expected an image for each mask")
    headers = headers_inside([pair.image for pair in pairs], root, whole_headers)
    for pair, header in zip(pairs, headers, strict=True):
        check_size(file_size(pair.mask), header, str(pair.mask))
    return headers


def _mask_problem(mask: Path) -> str | None:
    """What is wrong with a mask, after its name."""
    try:
        decode_mask(mask.read_bytes(), str(mask))
    except UsageError as error:
        return str(error).removeprefix(f"mask {mask} ")
    return None
