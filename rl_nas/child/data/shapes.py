"""Drawn pictures with masks, or with boxes, as TFDS data sets that need no download."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

CLASSES = ("ground", "disc", "ring", "square", "triangle")
IMAGES = {"train": 300, "test": 100}

_HEIGHT, _WIDTH = 48, 64
_FEWEST, _MOST = 2, 5
_SMALLEST, _LARGEST = 6.0, 14.0
_RING = 0.55
"""Inner radius of a ring, in its outer one."""
_FEWEST_PIXELS = 24
"""That a shape shows to get a box."""


class Shapes(tfds.core.GeneratorBasedBuilder):
    """400 pictures of discs, rings, squares and triangles, whose colors say nothing about their class."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Turned shapes of random colors on noisy ground, 48x64 pixels, with the class of each pixel.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_HEIGHT, _WIDTH, 3), encoding_format="png"),
                    "mask": tfds.features.LabeledImage(
                        labels=list(CLASSES), shape=(_HEIGHT, _WIDTH, 1), encoding_format="png"
                    ),
                }
            ),
            supervised_keys=("image", "mask"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        return {split: self._generate_examples(number, count) for number, (split, count) in enumerate(IMAGES.items())}

    def _generate_examples(self, seed: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(count):
            image, mask = draw_picture(np.random.default_rng([seed, number]))
            yield number, {"image": image, "mask": mask[..., np.newaxis]}


class BoxedShapes(tfds.core.GeneratorBasedBuilder):
    """The pictures of `Shapes`, with the boxes around what is seen of each shape."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        objects = {"bbox": tfds.features.BBoxFeature(), "label": tfds.features.ClassLabel(names=list(CLASSES[1:]))}
        return self.dataset_info_from_configs(
            description="Turned shapes of random colors on noisy ground, 48x64 pixels, with their boxes.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_HEIGHT, _WIDTH, 3), encoding_format="png"),
                    "objects": tfds.features.Sequence(objects),
                }
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        return {split: self._generate_examples(number, count) for number, (split, count) in enumerate(IMAGES.items())}

    def _generate_examples(self, seed: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(count):
            image, on_top, kinds = draw_shapes(np.random.default_rng([seed, number]))
            objects = [{"bbox": box, "label": CLASSES[kind]} for box, kind in _boxes(on_top, kinds)]
            yield number, {"image": image, "objects": objects}


def _boxes(on_top: np.ndarray, kinds: Sequence[int]) -> Iterator[tuple[tfds.features.BBox, int]]:
    """The boxes of the shapes that are seen, in fractions of height and width, and their kinds."""
    for shape, kind in enumerate(kinds[1:], 1):
        rows, columns = np.nonzero(on_top == shape)
        if len(rows) >= _FEWEST_PIXELS:
            (top, left), (bottom, right) = (rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1)
            yield tfds.features.BBox(top / _HEIGHT, left / _WIDTH, bottom / _HEIGHT, right / _WIDTH), kind


def draw_picture(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws a picture: uint8 [height, width, 3], and the class of each pixel, uint8 [height, width]."""
    image, on_top, kinds = draw_shapes(rng)
    return image, np.array(kinds, np.uint8)[on_top]


def draw_shapes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Draws a picture.

    Returns:
        Its pixels, uint8 [height, width, 3]; the number of the shape that each shows, int [height, width]; and the
        class of each shape by number. The ground is shape 0.
    """
    light = np.linspace(rng.uniform(60, 200), rng.uniform(60, 200), _WIDTH)
    image = np.tile((light[:, np.newaxis] + rng.uniform(-40, 40, 3))[np.newaxis], (_HEIGHT, 1, 1))
    on_top, kinds = np.zeros((_HEIGHT, _WIDTH), np.intp), [0]
    for _ in range(rng.integers(_FEWEST, _MOST + 1)):
        kind = int(rng.integers(1, len(CLASSES)))
        covered = _covered(kind, rng)
        image[covered] = rng.uniform(0, 255, 3)
        on_top[covered] = len(kinds)
        kinds.append(kind)
    image += rng.normal(0, 12, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), on_top, kinds


def _covered(kind: int, rng: np.random.Generator) -> np.ndarray:
    """The pixels of a shape of a random place, size and angle: bool [height, width]."""
    row, column = rng.uniform(0, _HEIGHT), rng.uniform(0, _WIDTH)
    size, angle = rng.uniform(_SMALLEST, _LARGEST), rng.uniform(0, 2 * np.pi)
    down, right = np.mgrid[:_HEIGHT, :_WIDTH] - np.reshape([row, column], (2, 1, 1))
    u, v = (np.cos(angle) * right + np.sin(angle) * down) / size, (np.cos(angle) * down - np.sin(angle) * right) / size
    radius = np.hypot(u, v)
    inside = {
        "disc": radius < 1,
        "ring": (radius < 1) & (radius > _RING),
        "square": np.maximum(abs(u), abs(v)) < 0.85,
        # Three half-planes at a third of the circle from each other.
        "triangle": np.max([np.cos(turn) * u + np.sin(turn) * v for turn in np.pi * np.array([0.5, 7 / 6, 11 / 6])], 0)
        < 0.55,
    }
    found: np.ndarray = inside[CLASSES[kind]]
    return found
