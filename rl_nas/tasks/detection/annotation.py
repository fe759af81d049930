"""Boxes of data sets as targets."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.annotation import Annotation, Frame, names_of_classes
from rl_nas.child.data.geometry import Geometry, warp_points
from rl_nas.child.data.orientation import turned_points
from rl_nas.child.data.refusal import refuse
from rl_nas.errors import UsageError
from rl_nas.tasks.detection.class_choice import PADDING, choose_classes
from rl_nas.tasks.detection.data_settings import DetectionDataSettings

MAX_BOXES = 100
"""Most boxes of an image in data sets that do not say how many they have; COCO's have at most 93 to train on."""

LEAST_LEFT = 0.25
"""A box is learned as long as this fraction of its area is left in a changed image; less is ignored."""

_IGNORED = ("ignore", "is_crowd", "is_difficult", "is_group_of", "invalid")
"""Features of objects that are neither learned nor measured: those of COCO, VOC, Open Images and WIDER FACE."""

_LABELS = ("label", "type", "category")
_AREA = "area"
_RELATIVE = (None, "rel_yxyx")
"""Formats of boxes in fractions, by TFDS; early versions had one alone, and wrote none."""

Target = dict[str, tf.Tensor]


class BoxFeatures(NamedTuple):
    """Names of the features that hold boxes.

    Attributes:
        image: of the images.
        objects: of the sequence of objects.
        box: of the box in an object; None: objects are boxes and nothing else.
        label: likewise, of the class; None: there is one class alone.
    """

    image: str
    objects: str
    box: str | None
    label: str | None


def find_boxes(features: Mapping[str, Any], supervised: Sequence[str]) -> BoxFeatures | None:
    """The features with images and boxes; None: there are no boxes.

    Boxes are in a sequence with one `BBoxFeature`; of several sequences in `objects`, in the data set's target, or in
    the first. Their class is the `ClassLabel` called label, type or category, or the only one.

    Args:
        features: of TFDS, by name.
        supervised: names of input and target, if the data set has them.
    """
    images = [key for key, value in features.items() if isinstance(value, tfds.features.Image)]
    found = [(key, *parts) for key, value in features.items() if (parts := _box_and_label(value)) is not None]
    if not images or not found:
        return None
    image = next((key for key in images if key in supervised), images[0])
    objects = min(found, key=lambda one: (one[0] != "objects", one[0] not in supervised))
    return BoxFeatures(image, *objects)


def box_annotation(
    features: Mapping[str, Any], supervised: Sequence[str], settings: DetectionDataSettings
) -> Annotation | None:
    """The images and their boxes; None if there are none.

    Targets have N rows, the most boxes of an image: `boxes` float32 [N, 4], top, left, bottom and right in pixels of
    the resized image; `labels` int32 [N], PADDING for rows that fill up; `ignore` bool [N], neither learned nor
    measured; `area` float32 [N] in pixels of the original image; and `size` float32 [2], its height and width.

    Args:
        features: of TFDS, by name.
        supervised: names of input and target, if the data set has them.
        settings: the flags.

    Raises:
        UsageError: boxes are in a format that is not read, or classes are not as the flags say.
    """
    found = find_boxes(features, supervised)
    if found is None:
        return None
    sequence = features[found.objects]
    box = sequence.feature if found.box is None else sequence.feature[found.box]
    kind = box.bbox_format
    if (kind if kind is None else kind.value.lower()) not in _RELATIVE:
        raise UsageError(f"boxes of feature {found.objects} are {kind.value}; expected REL_YXYX, the default of TFDS")
    own = names_of_classes(sequence.feature[found.label]) if found.label else (found.objects,)
    names, numbers = choose_classes(own, settings.classes)
    most: int | None = getattr(sequence, "most", None)
    rows = settings.max_boxes or most or MAX_BOXES
    if most is not None and most > rows and names == own:  # before the images are read
        raise UsageError(f"--max_boxes={rows}, but an image has {most} boxes; leave it out")
    return Annotation(
        image=found.image,
        class_names=names,
        read=partial(_read, found, numbers, rows),
        decode=partial(decode_boxes, rows),
        warp=warp_boxes,
        is_given=_has_own,
        negatives=True,
    )


def warp_boxes(targets: Target, geometry: Geometry) -> Target:
    """Moves the boxes of a batch with the pixels of their images.

    A moved box is clipped to the image. If less than `LEAST_LEFT` of its area is left, it is ignored, as what is seen
    of it is no background; if nothing is, it gets the label PADDING. `area` and `size` remain those of the original
    image.

    Args:
        targets: see `box_annotation`, [batch, ...] each.
        geometry: of the images.
    """
    limits = tf.constant([*geometry.size, *geometry.size], tf.float32)
    whole = seen = targets["boxes"]
    # Crops end at the window before it is scaled, and what they cut off does not come back.
    for part in (geometry._replace(scales=None), geometry._replace(corners=None, mirrored=None)):
        whole, seen = _moved(whole, part), tf.clip_by_value(_moved(seen, part), 0.0, limits)
    labels = tf.where(_area(seen) > 0, targets["labels"], PADDING)
    ignore = targets["ignore"] | ((labels != PADDING) & (_area(seen) < LEAST_LEFT * _area(whole)))
    return {**targets, "boxes": seen, "labels": labels, "ignore": ignore}


def _moved(boxes: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    corners = tf.reshape(boxes, [tf.shape(boxes)[0], -1, 2])
    return _around(tf.reshape(warp_points(corners, geometry), tf.shape(boxes)))


def _box_and_label(feature: Any) -> tuple[str | None, str | None] | None:
    """The names of the box and of the class in a sequence of objects; None: it is none."""
    if not isinstance(feature, tfds.features.Sequence):
        return None
    if isinstance(feature.feature, tfds.features.BBoxFeature):
        return None, None
    if not isinstance(feature.feature, tfds.features.FeaturesDict):
        return None
    parts = dict(feature.feature.items())
    boxes = [key for key, value in parts.items() if isinstance(value, tfds.features.BBoxFeature)]
    labels = [key for key, value in parts.items() if isinstance(value, tfds.features.ClassLabel)]
    known = [key for key in _LABELS if key in labels]
    if len(boxes) != 1 or (len(labels) > 1 and not known):
        return None
    return boxes[0], (known or labels or [None])[0]


def _read(names: BoxFeatures, numbers: Sequence[int], rows: int, example: Mapping[str, Any]) -> Target:
    """The boxes of an example, in fractions of the stored image, padded; and how many there are."""
    objects = example[names.objects]
    boxes = tf.reshape(objects if names.box is None else objects[names.box], [-1, 4])
    count, others = tf.shape(boxes)[0], {} if names.box is None else objects
    own = others[names.label] if names.label else tf.zeros([count], tf.int64)
    labels = tf.gather(tf.constant(numbers, tf.int32), own)
    ignore = tf.zeros([count], bool)
    for key in _IGNORED:
        if key in others:
            ignore |= tf.cast(others[key], bool)
    area = tf.cast(others[_AREA], tf.float32) if _AREA in others else tf.fill([count], -1.0)
    learned = labels != PADDING
    # Without an area in the image a box is no use, but stands in its row: `count_boxes` tells how many there are.
    labels = tf.where(tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=1), labels, PADDING)

    def padded(values: tf.Tensor, filling: Any) -> tf.Tensor:
        kept = tf.boolean_mask(values, learned)[:rows]
        missing = [[0, rows - tf.shape(kept)[0]], *([[0, 0]] * (len(values.shape) - 1))]
        return tf.ensure_shape(tf.pad(kept, missing, constant_values=filling), [rows, *values.shape[1:]])

    return {
        "boxes": padded(boxes, 0.0),
        "labels": padded(labels, PADDING),
        "ignore": padded(ignore, False),
        "area": padded(area, 0.0),
        "count": tf.math.count_nonzero(learned, dtype=tf.int32),
    }


def _has_own(kept: Target) -> bool:
    """Whether a target, as `_read` gives it, has a box that is to be found."""
    return bool(((kept["labels"] != PADDING) & ~kept["ignore"]).any())


def decode_boxes(rows: int, kept: Target, frame: Frame) -> Target:
    """The target of an image as it is seen: boxes are turned as it is, and more than there are rows are refused.

    Args:
        rows: most boxes.
        kept: [rows] boxes in fractions of the stored image, `count` of which are there; see `box_annotation`.
        frame: of the image.
    """
    found = tf.as_string(kept["count"])
    problem = tf.strings.join(
        ["an image has ", found, f" boxes; expected at most {rows}: give --max_boxes=", found, ", or more"]
    )
    with tf.control_dependencies([refuse(tf.where(kept["count"] > rows, problem, ""))]):
        boxes = _around(
            tf.reshape(turned_points(tf.reshape(kept["boxes"], [rows, 2, 2]), frame.orientation), [rows, 4])
        )
    size = tf.cast(frame.original, tf.float32)
    area = tf.where(kept["area"] < 0, _area(boxes) * tf.reduce_prod(size), kept["area"])
    is_row = tf.range(rows) < kept["count"]
    boxes = tf.where(is_row[:, tf.newaxis], boxes * tf.constant([*frame.size, *frame.size], tf.float32), 0.0)
    return {"boxes": boxes, "labels": kept["labels"], "ignore": kept["ignore"], "area": area, "size": size}


def _around(corners: tf.Tensor) -> tf.Tensor:
    """Boxes around two opposite corners, [..., 4]."""
    first, second = tf.split(corners, 2, axis=-1)
    return tf.concat([tf.minimum(first, second), tf.maximum(first, second)], axis=-1)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    top, left, bottom, right = tf.unstack(boxes, axis=-1)
    return (bottom - top) * (right - left)
