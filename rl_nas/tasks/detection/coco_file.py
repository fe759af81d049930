"""Detections as a file in COCO's format."""

import json
from collections.abc import Sequence
from typing import Any

from rl_nas.tasks.detection.coco import result_annotations
from rl_nas.tasks.detection.records import Detections

CATEGORY = 1
"""Category id in COCO's format of class 0; class n has this plus n."""


class CocoFile:
    """Collects detections as JSON that `pycocotools.coco.COCO` reads.

    It has the form of COCO's data sets (`images`, `categories`, `annotations`), so that it is understood without
    another file; each annotation also has a `score`, so that the list of them is one of COCO's results, as `loadRes`
    takes it. Images are numbered from 1 as they come, annotations and categories from 1 too.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._categories = [{"id": number, "name": name} for number, name in enumerate(class_names, CATEGORY)]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, size: Sequence[int], found: Detections) -> None:
        """Adds an image.

        Args:
            name: of its file.
            size: height and width.
            found: its detections, in its pixels.
        """
        image = len(self._images) + 1
        self._images.append({"id": image, "file_name": name, "height": int(size[0]), "width": int(size[1])})
        for one in result_annotations(image, found, CATEGORY):
            area = one["bbox"][2] * one["bbox"][3]
            self._annotations.append({"id": len(self._annotations) + 1, **one, "area": area, "iscrowd": 0})

    def text(self) -> str:
        """The JSON, with an image or an annotation a line."""
        parts = {"images": self._images, "categories": self._categories, "annotations": self._annotations}
        lists = (f'"{name}": [\n' + ",\n".join(map(json.dumps, some)) + "\n]" for name, some in parts.items())
        return "{" + ",\n".join(lists) + "}\n"
