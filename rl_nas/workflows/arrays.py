"""Images and targets of a Python program, written as a data set that every process of a search reads.

They are arrays, or a tf.data dataset; the data set is one of TFDS, of PNG images: `--dataset=dir:FOLDER`.
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from rl_nas.errors import UsageError, first_line
from rl_nas.workflows.array_targets import feature_of

_FIRST = 64
"""Images that tell whether pixels are of 0 to 1 or of 0 to 255."""
_WHITE = 255
_DARK = 64
"""A highest pixel that is told: images may be of another range than they are taken for."""
_EXPECTED = "expected images [examples, height, width, channels] with their targets, or a tf.data dataset of such pairs"

Batch = tuple[np.ndarray, np.ndarray]
"""Images [batch, height, width(, channels)] and their targets [batch, ...]."""


class Given(NamedTuple):
    """What a caller gave for a split.

    Attributes:
        name: of the argument, for messages.
        images: an array, or a tf.data dataset of pairs.
        targets: an array; None with a dataset.
    """

    name: str
    images: Any
    targets: Any = None


class _Split(NamedTuple):
    """The images of a split as PNG files, their shapes, their targets."""

    images: list[bytes]
    shapes: set[tuple[int, ...]]
    targets: np.ndarray


def write_arrays(
    folder: Path, splits: Mapping[str, Given], class_names: Sequence[str] | None, tell: Callable[[str], None]
) -> None:
    """Writes images and their targets, which are classes, or masks of the images' sizes.

    Args:
        folder: a new one.
        splits: what was given, by the names of splits.
        class_names: one for each class; None: texts among the targets name themselves, or classes have their numbers.
        tell: called with lines on changes of pixels.

    Raises:
        UsageError: they are no images, or do not belong together.
    """
    read = {name: _read(given, tell) for name, given in splits.items()}
    shapes = set().union(*(split.shapes for split in read.values()))
    sides = [{shape[axis] for shape in shapes} for axis in range(3)]
    if len(sides[2]) > 1:
        raise UsageError(f"images of {' and '.join(map(str, sorted(sides[2])))} channels; expected one number of them")
    image = tfds.features.Image(shape=[side.pop() if len(side) == 1 else None for side in sides])
    of_all = np.concatenate([split.targets for split in read.values()]) if _alike(read.values()) else None
    if of_all is None:
        raise UsageError(f"targets of {', '.join(given.name for given in splits.values())} have different forms")
    name, feature, values = feature_of(of_all, shapes, class_names)
    ends = np.cumsum([len(split.images) for split in read.values()])
    parts = np.split(values, ends[:-1])
    _store(
        folder,
        tfds.features.FeaturesDict({"image": image, name: feature}),
        {
            split: [
                (number, {"image": io.BytesIO(png), name: target})
                for number, (png, target) in enumerate(zip(read[split].images, part, strict=True))
            ]
            for split, part in zip(read, parts, strict=True)
        },
    )


def _store(folder: Path, features: Any, splits: Mapping[str, list[tuple[int, dict[str, Any]]]]) -> None:
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            tfds.dataset_builders.store_as_tfds_dataset(
                name="arrays",
                version="1.0.0",
                features=features,
                split_datasets=splits,
                data_dir=folder,
                description="Arrays that were given to rl_nas.fit.",
                file_format="tfrecord",
            )
    except Exception as error:  # whatever TFDS makes of a full disk
        raise UsageError(f"cannot write the images into {folder}: {first_line(error)}") from error


def _read(given: Given, tell: Callable[[str], None]) -> _Split:
    batches = _of_dataset(given) if isinstance(given.images, tf.data.Dataset) else _of_arrays(given)
    first = list(itertools.islice(batches, 1))
    while first and (count := sum(len(images) for images, _ in first)) < _FIRST:
        more = list(itertools.islice(batches, _FIRST - count))
        if not more:
            break
        first += more
    if not first:
        raise UsageError(f"{given.name} holds no examples; {_EXPECTED}")
    pixels = _Pixels(given.name, [images for images, _ in first])
    pngs, shapes, targets = list[bytes](), set[tuple[int, ...]](), list[np.ndarray]()
    for images, of_images in itertools.chain(first, batches):
        for image in pixels(images):
            pngs.append(_png(image))
            shapes.add(image.shape)
        targets.append(of_images)
    if pixels.change:
        tell(f"{given.name}: {pixels.change}")
    try:
        return _Split(pngs, shapes, np.concatenate(targets))
    except ValueError as error:
        raise UsageError(f"{given.name}: targets differ in shape; masks must be of one size") from error


def _of_arrays(given: Given) -> Iterator[Batch]:
    if isinstance(given.images, (list, tuple)) and any(isinstance(one, tf.data.Dataset) for one in given.images):
        raise UsageError(f"{given.name} is several datasets; give the first as x, the second as validation_data")
    if given.targets is None:
        raise UsageError(f"{given.name} is {type(given.images).__name__} without targets; {_EXPECTED}")
    try:
        images, targets = np.asarray(given.images), np.asarray(given.targets)
    except ValueError as error:
        raise UsageError(f"{given.name} is no array ({first_line(error)}); {_EXPECTED}") from error
    if images.ndim not in (3, 4) or images.dtype == object:
        raise UsageError(f"{given.name} is {images.dtype} {list(images.shape)}; {_EXPECTED}")
    if targets.ndim == 0 or len(images) != len(targets):
        count = "one target" if targets.ndim == 0 else f"{len(targets)} targets"
        raise UsageError(f"{given.name} has {len(images)} images and {count}; expected a target for each image")
    for start in range(0, len(images), _FIRST):
        yield images[start : start + _FIRST], targets[start : start + _FIRST]


def _of_dataset(given: Given) -> Iterator[Batch]:
    dataset = given.images
    if given.targets is not None:
        raise UsageError(f"{given.name} is a dataset and brings its targets; leave out the second argument")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(isinstance(part, tf.TensorSpec) for part in spec):
        raise UsageError(f"{given.name} is a dataset of {str(spec)[:100]}; expected pairs: (image, target)")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UsageError(f"{given.name} is a dataset without an end; leave out its repeat()")
    for image, target in dataset.as_numpy_iterator():
        batched = np.ndim(image) == 4 or (np.ndim(image) == 3 and spec[0].shape[-1] not in (1, 3))
        if np.ndim(image) not in (2, 3, 4):
            raise UsageError(f"{given.name} is a dataset of images {list(np.shape(image))}; {_EXPECTED}")
        yield (image, np.asarray(target)) if batched else (image[np.newaxis], np.asarray(target)[np.newaxis])


class _Pixels:
    """Makes uint8 images [batch, height, width, channels] of any whose pixels are of 0 to 255, or of 0 to 1.

    Args:
        name: of the argument.
        first: the first images, which tell which of both.

    Attributes:
        change: what is done to the pixels, in words; empty: nothing.
    """

    def __init__(self, name: str, first: Iterable[np.ndarray]) -> None:
        batches = list(first)
        kept = all(images.dtype == np.uint8 for images in batches)
        highest = max(float(np.max(images, initial=0)) for images in batches)
        unit = not kept and highest <= 1
        self._name, self._most = name, 1 if unit else _WHITE
        self.change = ""
        if unit:
            self.change = f"pixels of 0 to 1 are kept as {_WHITE + 1} levels, as of image files"
        elif any(np.any(images != np.rint(images)) for images in batches):
            self.change = "pixels are rounded to whole numbers, as of image files"
        elif 1 < highest <= _DARK:
            self.change = f"no pixel is above {highest:g} of {_WHITE}; if that is their white, multiply them"

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if images.ndim == 3:
            images = images[..., np.newaxis]
        if images.shape[-1] not in (1, 3) or 0 in images.shape[1:]:
            raise UsageError(
                f"{self._name} has images {list(images.shape[1:])}; expected [height, width, channels], 1 or 3 channels"
            )
        if images.dtype == np.uint8:
            return images
        values = np.asarray(images, np.float32)
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= self._most):  # NaN, too
            raise UsageError(
                f"{self._name} has pixels of {low:g} to {high:g}; expected"
                f" {'0 to 1 as in its first images' if self._most == 1 else '0 to 255, or 0 to 1'}, not normalized:"
                " networks normalize images themselves"
            )
        return np.asarray(np.rint(values * (_WHITE / self._most)), np.uint8)


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def _alike(splits: Iterable[_Split]) -> bool:
    """Whether targets of all splits are of one kind: texts or numbers, of one shape."""
    return len({(split.targets.dtype.kind in "USO", split.targets.shape[1:]) for split in splits}) == 1
