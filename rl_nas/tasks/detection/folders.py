"""Folders of images with boxes as a data set."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.class_choice import choose_classes, read_class_names
from rl_nas.tasks.detection.cleaning import Boxes, clean_boxes
from rl_nas.tasks.detection.data_settings import DetectionDataSettings
from rl_nas.tasks.detection.formats import list_boxes
from rl_nas.tasks.detection.listed import ListedImages, Oddities
from rl_nas.tasks.folder_files import headers_inside
from rl_nas.tasks.image_files import IMAGE, ImageFiles, paths_tensor, whole_headers
from rl_nas.units import GIB

_MOST_BYTES = 8 * GIB
"""Of the rows for the boxes of all images, which are as many for each as the image with the most boxes has."""
_ROW = 4 * 4 + 8 + 1 + 4
"""Bytes of a box: corners, label, whether it is ignored, area."""

OBJECTS, NAME = "objects", "image/filename"
"""Features of the examples, beside the image."""

BOX, LABEL, IGNORE, AREA = "bbox", "label", "ignore", "area"
"""Features of an object."""


class BoxSequence(tfds.features.Sequence):
    """The boxes of an image, as those of TFDS's data sets.

    Attributes:
        most: largest number of them in any image.
    """

    def __init__(self, class_names: Sequence[str], most: int) -> None:
        parts = {
            BOX: tfds.features.BBoxFeature(),
            LABEL: tfds.features.ClassLabel(names=list(class_names)),
            IGNORE: tfds.features.Scalar(np.bool_),
            AREA: tfds.features.Scalar(np.float32),
        }
        super().__init__(parts)
        self.most = most


class BoxFolder(ImageFiles):
    """Images in files, with boxes from files in any format."""

    supervised = (IMAGE, OBJECTS)

    def __init__(self, root: Path, listed: ListedImages, odd: Oddities) -> None:
        """Reads the headers of all images.

        Args:
            root: the folder.
            listed: its images and their boxes.
            odd: what is odd, for the remarks.

        Raises:
            UsageError: a file is no image or leads out of the folder, or has not the size that its annotation says.
        """
        headers = headers_inside(
            [image.file for images in listed.splits.values() for image in images], root, whole_headers
        )
        left = iter(headers)
        self._boxes: dict[str, list[Boxes]] = {
            split: [clean_boxes(image, next(left), odd) for image in images] for split, images in listed.splits.items()
        }
        most = self._most(listed)
        files = {split: [(image.name, image.file) for image in images] for split, images in listed.splits.items()}
        features = {OBJECTS: BoxSequence(listed.class_names, max(1, most)), NAME: tfds.features.Text()}
        super().__init__(root, files, headers, features, odd.told(root))

    def _most(self, listed: ListedImages) -> int:
        """Most boxes of an image; raises `UsageError` if as many for each would not fit into memory."""
        counts = {split: [len(one.labels) for one in boxes] for split, boxes in self._boxes.items()}
        most, split, place = max(
            ((count, split, place) for split, found in counts.items() for place, count in enumerate(found)),
            default=(0, "", 0),
        )
        images = sum(map(len, counts.values()))
        if images * most * _ROW > _MOST_BYTES:
            raise UsageError(
                f"{listed.splits[split][place].where} has {most:,} boxes; for as many of each of {images:,} images,"
                f" expected at most {_MOST_BYTES // (images * _ROW):,}: leave this image out, or cut it into several"
            )
        return most

    @override
    def listing(self, split: str) -> Iterable[str]:
        yield from super().listing(split)
        for boxes in self._boxes[split]:
            yield repr([array.tolist() for array in boxes])

    @override
    def targets(self, split: str) -> Callable[[tf.Tensor], dict[str, Any]]:
        boxes = self._boxes[split]
        parts = zip((BOX, LABEL, IGNORE, AREA), zip(*boxes, strict=True), strict=True)
        joined = {name: tf.constant(np.concatenate(values)) for name, values in parts}
        starts = tf.constant(np.cumsum([0, *(len(one.labels) for one in boxes)]))
        names = paths_tensor([file for _, file in self.files[split]])

        def objects(number: tf.Tensor) -> dict[str, Any]:
            part = slice(starts[number], starts[number + 1])
            return {OBJECTS: {name: values[part] for name, values in joined.items()}, NAME: names[number]}

        return objects


def box_folder(path: str, settings: DetectionDataSettings) -> BoxFolder | None:
    """The images and boxes of a local folder; None if it is in none of the `LAYOUTS`.

    Args:
        path: the folder.
        settings: the flags.

    Raises:
        UsageError: it has a layout, but not all that this needs, or several.
    """
    root, odd = Path(path), Oddities()

    def given() -> tuple[str, ...] | None:
        return None if settings.classes is None else read_class_names(settings.classes)

    try:
        listed = list_boxes(root, settings.box_format, given, odd)
        if listed is None:
            return None
        _count_left_out(listed, settings, odd)
        return BoxFolder(root, listed, odd)
    except OSError as error:
        raise UsageError(f"{error.filename or root} cannot be read: {error.strerror or error}") from error


def _count_left_out(listed: ListedImages, settings: DetectionDataSettings, odd: Oddities) -> None:
    """Counts boxes of classes that are not learned; fails, before headers are read, if the flag does not fit."""
    _, number_of = choose_classes(listed.class_names, settings.classes)
    if settings.classes is None:
        return
    for image in (image for images in listed.splits.values() for image in images):
        for box in image.boxes:
            if number_of[box.label] < 0:
                odd.add("boxes of classes that --classes does not name; left out", image.where)
