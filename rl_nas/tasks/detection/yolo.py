"""Boxes in text files as those of YOLO (Redmon et al. 2016): a line CLASS X Y WIDTH HEIGHT for each, in fractions."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text
from rl_nas.tasks.detection.listed import Box, ListedImage, ListedImages, Oddities, number, shown
from rl_nas.tasks.detection.missing import with_images
from rl_nas.tasks.detection.yolo_splits import LABELS, NAMES, find_splits, read_description
from rl_nas.tasks.folder_files import check_inside
from rl_nas.tasks.name_lists import read_lines

_COLUMNS = "CLASS X Y WIDTH HEIGHT, the centre and the size of a box in fractions of the image"
_FAR = 0.5
"""How far a box may reach beyond its image, in fractions of it; farther, the numbers are no fractions."""

ClassNames = Callable[[], Sequence[str] | None]
"""Gives the names of classes that files only number; None: nothing tells them."""


def read_yolo(root: Path, given: ClassNames, odd: Oddities) -> ListedImages:
    """The images and boxes of a folder; an image without a file of labels, or with an empty one, has no boxes.

    Args:
        root: the folder.
        given: the names where neither data.yaml nor classes.txt has any.
        odd: gets what is odd.

    Raises:
        UsageError: a file is not as YOLO's, nothing tells the classes, or images are missing.
    """
    names = _class_names(root, given)
    found = {}
    for split, files in find_splits(root, odd).items():
        if files.images and not files.missing and not any(labels for _, _, labels in files.images):
            if split == "train":
                count = len(files.images)
                raise UsageError(
                    f"{files.labels_at} has no labels for the {count} images of {files.images_at}; add them"
                )
            odd.add("splits without labels; left out", split)
            continue
        listed = [_image(root, *image, names, odd) for image in files.images]
        found[split] = with_images(listed, files.missing, split, files.labels_at, odd)
    return ListedImages(names, {split: listed for split, listed in found.items() if listed})


def _class_names(root: Path, given: ClassNames) -> tuple[str, ...]:
    """The classes in the order of their numbers."""
    described = read_description(root).get("names")
    if isinstance(described, dict):
        if sorted(described) != sorted(map(str, range(len(described)))):
            raise UsageError(
                f"{root}: names of data.yaml are numbered {shown(', '.join(described))}; expected 0, 1, 2 and so on"
            )
        return tuple(described[str(place)] for place in range(len(described)))
    if isinstance(described, list) and described:
        return tuple(described)
    for file in (root / NAMES, root / LABELS / NAMES):
        check_inside(file, root)
        if file.is_file():
            return tuple(read_lines(str(file), NAMES))
    names = given()
    if names is None:
        raise UsageError(f"{root}: nothing tells the classes; expected names in data.yaml, {NAMES}, or --classes=FILE")
    return tuple(names)


def _image(root: Path, name: str, image: Path, labels: Path | None, names: Sequence[str], odd: Oddities) -> ListedImage:
    if labels is None:
        odd.add("images without a file of labels; without boxes, so that all of them is background", str(image))
        return ListedImage(name, image, str(image), None, ())
    check_inside(labels, root)
    lines = enumerate(read_text(labels, f"expected lines {_COLUMNS}").splitlines(), 1)
    boxes = [_box(line.split(), f"{labels}: line {place}", names) for place, line in lines if line.strip()]
    return ListedImage(name, image, str(labels), None, boxes, fractions=True)


def _box(words: Sequence[str], where: str, names: Sequence[str]) -> Box:
    if len(words) != 5:
        kind = "a polygon or a turned box" if len(words) > 6 and len(words) % 2 else "no box"
        raise UsageError(f"{where} has {len(words)} columns, {kind}; expected {_COLUMNS}")
    label = int(words[0]) if words[0].isdecimal() and len(words[0]) < 10 else len(names)
    if label >= len(names):
        raise UsageError(f"{where} has class '{shown(words[0])}'; expected a number from 0 to {len(names) - 1}")
    x, y, width, height = (number(word, where) for word in words[1:])
    corners = (y - height / 2, x - width / 2, y + height / 2, x + width / 2)
    if min(width, height) < 0 or min(corners) < -_FAR or max(corners) > 1 + _FAR:
        raise UsageError(f"{where} has {shown(' '.join(words[1:]))}; expected {_COLUMNS}, from 0 to 1")
    return Box(corners, label)
