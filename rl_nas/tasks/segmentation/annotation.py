"""Masks of data sets as targets."""

import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.annotation import Annotation, Frame, names_of_classes
from rl_nas.child.data.geometry import Geometry, warp_masks
from rl_nas.child.data.image_header import ImageHeader
from rl_nas.child.data.orientation import turned
from rl_nas.child.data.refusal import refuse
from rl_nas.errors import UsageError
from rl_nas.tasks.name_lists import check_names
from rl_nas.tasks.segmentation.class_list import ClassList
from rl_nas.tasks.segmentation.folders import NAME, MaskFile
from rl_nas.tasks.segmentation.label_map import MASK_VALUES, LabelMap, label_map_text, make_label_map
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.masks import IGNORE, UNKNOWN, check_size, decode_mask, mask_size

_WORDS = ("segmentation", "mask", "annotation", "label")
"""Parts of the names of features that hold masks, the likeliest first."""

_GRAY8 = b"\x08\x00"
"""Depth and type of color in the header of a gray PNG image of 8 bits."""

_ID = "tfds_id"


def find_masks(features: Mapping[str, Any], supervised: Sequence[str]) -> tuple[str, str] | None:
    """The features with the image and with its mask; None: there are no masks.

    A mask is an `Image` whose name speaks of segmentation, masks, annotations or labels, or one of a single channel
    that the data set calls the target; of several, the target. The image is the input of the data set, or the first
    other one.

    Args:
        features: of TFDS, by name.
        supervised: names of input and target, if the data set has them.
    """
    images = [key for key, value in features.items() if isinstance(value, tfds.features.Image)]
    target = supervised[-1] if len(supervised) > 1 else None

    def rank(key: str) -> int | None:
        named = [place for place, word in enumerate(_WORDS) if word in key]
        if key == target and (named or features[key].shape[-1] == 1):
            return -1
        return named[0] if named else None

    masks = [key for key, value in features.items() if isinstance(value, MaskFile)]
    masks += sorted((key for key in images if rank(key) is not None), key=lambda key: rank(key) or 0)
    pictures = [key for key in images if key not in masks]
    pictures.sort(key=lambda key: key not in supervised)
    return (pictures[0], masks[0]) if pictures and masks else None


def masks_of(features: Mapping[str, Any], supervised: Sequence[str], settings: MaskSettings) -> Annotation | None:
    """The image and its mask, whose values become class numbers; None if there is no mask.

    Targets are uint8 [height, width], resized by the nearest pixel, with IGNORE among the class numbers.

    Args:
        features: of TFDS, by name.
        supervised: names of input and target, if the data set has them.
        settings: what the values of masks mean.

    Raises:
        UsageError: nothing tells the classes, the flags are wrong, or the name of a class cannot be written into files.
    """
    found = find_masks(features, supervised)
    if found is None:
        return None
    image, mask = found
    labels = make_label_map(settings, _own_classes(features[mask]))
    check_names(labels.names)

    def read(example: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        name = example.get(NAME, example.get(_ID))
        return {"content": example[mask], "name": tf.constant("of an example") if name is None else name}

    return Annotation(
        image=image,
        class_names=labels.names,
        read=read,
        decode=partial(_decode, labels),
        warp=_warp,
        extras={MASK_VALUES: label_map_text(labels)},
    )


def _own_classes(feature: Any) -> ClassList | None:
    """The classes that a data set itself names."""
    if isinstance(feature, MaskFile):
        return feature.classes
    if isinstance(feature, tfds.features.LabeledImage) and feature.num_classes:
        return ClassList(names_of_classes(feature), of_values=True)
    return None


def _warp(masks: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    return warp_masks(masks, geometry, IGNORE)


def _decode(labels: LabelMap, kept: Mapping[str, tf.Tensor], frame: Frame) -> tf.Tensor:
    """Class numbers of a mask, uint8 [height, width] as the frame says, turned as its image.

    Gray masks of 8 bits are read by TensorFlow alone. All others, and those with which something is wrong, are read by
    Python, which can tell what.
    """
    content, name, turn = kept["content"], kept["name"], tf.cast(frame.orientation, tf.int32)
    stored = tf.where(turn > 4, tf.reverse(frame.original, [0]), frame.original)
    table = tf.constant(labels.table[:256])

    def quickly() -> tf.Tensor:
        return tf.gather(table, tf.cast(tf.io.decode_png(content, channels=1)[..., 0], tf.int32))

    def exactly() -> tf.Tensor:
        # Not stateful: otherwise tf.data would read one mask at a time in deterministic runs.
        read = partial(_read_exactly, labels)
        found, problem = tf.numpy_function(read, [content, name, stored, turn], (tf.uint8, tf.string), stateful=False)
        with tf.control_dependencies([refuse(problem)]):
            return tf.ensure_shape(tf.identity(found), [None, None])

    mask = tf.cond(_is_gray8(content, stored), quickly, lambda: tf.fill([1, 1], tf.constant(UNKNOWN, tf.uint8)))
    complete = tf.reduce_all(tf.shape(mask) == stored) & tf.reduce_all(mask != UNKNOWN)
    whole = tf.cond(complete, lambda: mask, exactly)
    return nearest(turned(whole[..., tf.newaxis], turn)[..., 0], frame.size)


def nearest(mask: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resizes a mask [height, width] by the nearest pixel, whose centres are at halves as in `tf.image.resize`."""
    for axis, new in enumerate(size):
        # In whole numbers, so that rounding is the same everywhere.
        place = (2 * tf.range(new) + 1) * tf.shape(mask)[axis] // (2 * new)
        mask = tf.gather(mask, place, axis=axis)
    return tf.ensure_shape(mask, size)


def _is_gray8(content: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Whether the content of a file is a gray PNG image of 8 bits and of this height and width, by its header."""
    header = tf.strings.join([tf.strings.substr(content, 0, 26), "\0" * 26])  # long enough, even of an empty file
    sides = tf.io.decode_raw(tf.strings.substr(header, 16, 8), tf.int32, little_endian=False)
    fits = tf.reduce_all(tf.reverse(sides, [0]) == size)
    return (tf.strings.substr(header, 0, 4) == b"\x89PNG") & (tf.strings.substr(header, 24, 2) == _GRAY8) & fits


def _read_exactly(
    labels: LabelMap, content: bytes, name: bytes, stored: np.ndarray, orientation: np.ndarray
) -> tuple[np.ndarray, bytes]:
    """Class numbers of a mask, and what is wrong with it; nothing if that is empty."""
    called = name.decode(errors="replace")
    try:
        height, width = map(int, stored)
        size = mask_size(io.BytesIO(content), called)
        check_size(size, ImageHeader((height, width), int(orientation)), called)
        mask = labels.classes_of(decode_mask(content, called), called)
    except UsageError as error:
        return np.zeros([1, 1], np.uint8), str(error).encode()
    return mask, b""
