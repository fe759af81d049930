"""The interface of data sets: examples by split, whatever they are stored in."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import tensorflow as tf


class Examples(Protocol):
    """The examples of a data set.

    Attributes:
        name: of the data set, such as `cifar10`; the last part of a folder's path.
        features: of TFDS (`tfds.features`), by name; one of them is an `Image`, whose shape, if it is known, is that of
            upright images.
        supervised: names of the features that the data set calls input and target, in this order; may be empty.
        sizes: number of examples of every split, by its name.
        upright: whether images are files as cameras and people make them: of any format, turned as their EXIF says. In
            a prepared data set they stay as they are stored, as its targets were.
        remarks: lines for the user, such as on files that were left out.
        image_sizes: height and width of images as they are seen -> how many have them; none: they are not known, or the
            feature tells them.
    """

    name: str
    features: Mapping[str, Any]
    supervised: Sequence[str]
    sizes: Mapping[str, int]
    upright: bool
    remarks: Sequence[str]
    image_sizes: Mapping[tuple[int, int], int] = MappingProxyType({})

    def bytes(self, split: str) -> int:
        """Size of a split on the disk; about that of its encoded images."""

    def read(self, split: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Examples of a split: a dataset of (number, example).

        The number, an int64 from 0 to `sizes[split] - 1`, is always the same one for an example, in any order. The
        example has a value for each feature, by name: of an image a string, the content of its file, which nobody has
        decoded. Images within sequences, videos, sounds and compressed arrays may be missing.

        Args:
            split: its name.
            shuffle_seed: order of the examples, of their files at least; None: their own, always the same.
        """

    def names(self, split: str) -> Sequence[str] | None:
        """The name of each example of a split, at its number: a path below the split's folder, or a key.

        None: the data set does not name them.
        """

    def listing(self, split: str) -> Iterable[str]:
        """What tells the examples of a split from others without reading them: names, sizes, annotations in memory.

        The same wherever the data set is.
        """

    def labels(self, split: str, feature: str) -> np.ndarray | None:
        """The class of each example of a split, at its number: int64 [examples], -1 where it is secret.

        Args:
            split: its name.
            feature: a `ClassLabel`.

        Returns:
            None: classes are not to be had without the images.
        """
        return None

    def unreadable(self) -> Mapping[str, str]:
        """The files that cannot be decoded -> what is wrong with each, after its name; none if there are no files."""
        return {}
