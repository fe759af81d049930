"""Boxes as files have them -> boxes of images: within the image, in fractions of its sides."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rl_nas.child.data.image_header import UPRIGHT, ImageHeader
from rl_nas.errors import UsageError
from rl_nas.tasks.detection.listed import ListedImage, Oddities

_TOLERANCE = 0.5
"""Pixels by which a box may reach beyond its image without a word: fractions are rounded."""


class Boxes(NamedTuple):
    """The boxes of an image.

    Attributes:
        boxes: float32 [boxes, 4], top, left, bottom and right in fractions of the stored image's height and width.
        labels: int64 [boxes].
        ignore: bool [boxes].
        area: float32 [boxes], in pixels; -1 where the annotation has none.
    """

    boxes: np.ndarray
    labels: np.ndarray
    ignore: np.ndarray
    area: np.ndarray


def clean_boxes(image: ListedImage, header: ImageHeader, odd: Oddities) -> Boxes:
    """The boxes of an image that can be used: clipped to the image, without those that have no area in it.

    Args:
        image: as it is listed.
        header: of its file.
        odd: gets what is changed or left out.

    Raises:
        UsageError: the image has not the size that its annotation says.
    """
    if image.size is not None:
        _check_size(image, header)
    if header.orientation != UPRIGHT and image.boxes:
        odd.add(
            "photos that EXIF turns; their boxes are turned with them, as boxes of the stored pixels", str(image.file)
        )
    height, width = header.stored
    limits = np.array([height, width] * 2, np.float64)
    corners = np.array([box.corners for box in image.boxes], np.float64).reshape(-1, 4)
    if image.fractions:
        corners *= limits
    clipped = np.clip(corners, 0, limits)
    empty = (corners[:, 2:] <= corners[:, :2]).any(1)
    outside = (clipped[:, 2:] <= clipped[:, :2]).any(1) & ~empty
    beyond = (abs(clipped - corners) > _TOLERANCE).any(1) & ~empty & ~outside
    for kind, which in (
        ("boxes without an area; left out", empty),
        ("boxes outside of their image; left out", outside),
        ("boxes that reach beyond their image; clipped", beyond),
    ):
        for _ in range(np.count_nonzero(which)):
            odd.add(kind, image.where)
    kept = np.flatnonzero(~empty & ~outside)
    boxes = [image.boxes[place] for place in kept.tolist()]
    area = np.array([np.nan if box.area is None else box.area for box in boxes], np.float64)
    impossible = (area <= 0) | (area > height * width)
    for _ in range(np.count_nonzero(impossible)):
        odd.add("areas of 0 or less, or beyond that of the image; those of the boxes are taken", image.where)
    return Boxes(
        (clipped[kept] / limits).astype(np.float32),
        np.array([box.label for box in boxes], np.int64),
        np.array([box.ignore for box in boxes], bool),
        np.where(np.isnan(area) | impossible, -1, area).astype(np.float32),
    )


def check_pixels(splits: Mapping[str, Sequence[ListedImage]], root: object) -> None:
    """Raises `UsageError` if all boxes that should be in pixels are fractions."""
    boxes = [box.corners for images in splits.values() for one in images if not one.fractions for box in one.boxes]
    if boxes and np.max(boxes) <= 1:
        raise UsageError(
            f"{root}: all boxes lie within the first pixel of their images; expected pixels, not fractions"
        )


def _check_size(image: ListedImage, header: ImageHeader) -> None:
    """Raises `UsageError` for boxes that were not drawn on the stored pixels of their image, as masks are checked."""
    if image.size == header.stored:
        return
    assert image.size is not None
    (height, width), (rows, columns) = image.size, header.stored
    if image.size == header.seen:
        raise UsageError(
            f"{image.where}: {image.file} is {width}x{height} as it is turned upright; expected {columns}x{rows}, the"
            " pixels that are stored and that its EXIF turns: store the image upright, without an orientation"
        )
    raise UsageError(
        f"{image.where}: {image.file} is {width}x{height}, but has {columns}x{rows} pixels; expected the same"
    )
