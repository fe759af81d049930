"""Small images with boxes in files, the same in every format."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "rabbit")
IDS = (2, 7, 30)
"""Of COCO's categories."""


class Scene(NamedTuple):
    """An image: its name without an ending, height and width, and boxes: class, top, left, bottom, right."""

    name: str
    size: tuple[int, int]
    boxes: Sequence[tuple[int, int, int, int, int]] = ()


Scenes = Mapping[str, Sequence[Scene]]


def scenes(seed: int = 0, **counts: int) -> dict[str, list[Scene]]:
    """Random images by split, of several sizes; the first of each split has no box, the second one of each class."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Scene]] = {}
    for split, count in counts.items():
        found[split] = []
        for number in range(count):
            height, width = (int(side) for side in rng.integers(20, 60, 2))
            boxes = []
            for label in (0, 1, 2) if number == 1 else rng.integers(0, 3, rng.integers(1, 6) if number else 0):
                top, left = int(rng.integers(0, height - 1)), int(rng.integers(0, width - 1))
                bottom, right = int(rng.integers(top + 1, height + 1)), int(rng.integers(left + 1, width + 1))
                boxes.append((int(label), top, left, bottom, right))
            found[split].append(Scene(f"{split}{number}", (height, width), boxes))
    return found


def write(path: Path, content: bytes | str) -> Path:
    """Writes a file into a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_image(path: Path, size: tuple[int, int], **options: Any) -> Path:
    file = io.BytesIO()
    Image.new("RGB", size[::-1], (90, 90, 90)).save(file, "PNG" if path.suffix.lower() == ".png" else "JPEG", **options)
    return write(path, file.getvalue())


def coco(images: Sequence[Scene], ending: str = ".jpg") -> dict[str, Any]:
    """The content of a JSON file; its categories are in no order."""
    listed, annotations = [], []
    for number, scene in enumerate(images, 100):
        height, width = scene.size
        listed.append({"id": number, "file_name": scene.name + ending, "height": height, "width": width})
        for label, top, left, bottom, right in scene.boxes:
            bbox = [left, top, right - left, bottom - top]
            area = bbox[2] * bbox[3]
            own = {"id": len(annotations) + 1, "image_id": number, "category_id": IDS[label]}
            annotations.append({**own, "bbox": bbox, "area": area, "iscrowd": 0})
    categories = [{"id": IDS[place], "name": CLASSES[place]} for place in (1, 2, 0)]
    return {"images": listed, "annotations": annotations, "categories": categories}


def voc(scene: Scene) -> str:
    """The content of an XML file."""
    height, width = scene.size
    text = f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    for label, top, left, bottom, right in scene.boxes:
        corners = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        text += f"<object><name>{CLASSES[label]}</name><bndbox>{corners}</bndbox></object>"
    return text + "</annotation>"


def yolo(scene: Scene) -> str:
    """The content of a text file."""
    height, width = scene.size
    return "".join(
        f"{label} {(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f} {(right - left) / width:.6f}"
        f" {(bottom - top) / height:.6f}\n"
        for label, top, left, bottom, right in scene.boxes
    )


def write_coco(
    root: Path, splits: Scenes, images: str = "images/{split}", file: str = "instances_{split}.json"
) -> None:
    """One JSON file for each split; `file` lies in annotations unless it has a folder."""
    for split, found in splits.items():
        name = file.format(split=split)
        write(root / (name if "/" in name else f"annotations/{name}"), json.dumps(coco(found)))
        for scene in found:
            write_image(root / images.format(split=split) / f"{scene.name}.jpg", scene.size)


def write_voc(root: Path, splits: Scenes, lists: bool = True) -> None:
    for split, found in splits.items():
        if lists:
            write(root / f"ImageSets/Main/{split}.txt", "\n".join(scene.name for scene in found))
        for scene in found:
            write(root / f"Annotations/{scene.name}.xml", voc(scene))
            write_image(root / f"JPEGImages/{scene.name}.jpg", scene.size)


def write_yolo(
    root: Path, splits: Scenes, images: str = "images/{split}", labels: str = "labels/{split}", description: str = ""
) -> None:
    write(root / "data.yaml", f"{description}\nnc: 3\nnames: [{', '.join(CLASSES)}]\n")
    for split, found in splits.items():
        for scene in found:
            write(root / labels.format(split=split) / f"{scene.name}.txt", yolo(scene))
            write_image(root / images.format(split=split) / f"{scene.name}.jpg", scene.size)
