"""Flags and pictures for the tests of detection by the command line."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from processes import EDGES

from rl_nas.child.data.shapes import CLASSES, draw_shapes

TASK = "--task=detection"
BACKBONE = EDGES
NETWORK = ("--cells=1", "--filters=4", "--reductions=3")
HEAD = ("--neck_filters=8", "--tower_filters=8", "--tower_layers=1")
STEPS = ("--batch_size=12", "--optimizer=adam", "--learning_rate=0.005")

KINDS = CLASSES[1:]
"""Classes of the shapes that have boxes."""


def write_shapes(root: Path, **counts: int) -> Path:
    """A folder of drawn pictures with their boxes in COCO's format.

    Args:
        root: the folder.
        **counts: images of each split.
    """
    for seed, (split, count) in enumerate(counts.items()):
        folder = root / "images" / split
        folder.mkdir(parents=True)
        images, annotations = [], []
        for number in range(count):
            image, on_top, kinds = draw_shapes(np.random.default_rng([seed, number]))
            Image.fromarray(image).save(folder / f"{split}{number}.png")
            images.append({"id": number, "file_name": f"{split}{number}.png"})
            for shape, kind in enumerate(kinds[1:], 1):
                if (on_top == shape).any():
                    box = {"id": len(annotations) + 1, "image_id": number, "category_id": kind}
                    annotations.append(box | {"bbox": _around(on_top == shape)})
        categories = [{"id": number, "name": name} for number, name in enumerate(KINDS, 1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        _write_json(root / f"annotations/instances_{split}.json", content)
    return root


def _around(mask: np.ndarray) -> list[int]:
    """Left, top, width and height of the box around what is in a mask."""
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
