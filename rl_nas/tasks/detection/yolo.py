"""Boxes in text files as those of YOLO (Redmon et al. 2016): a line CLASS X Y WIDTH HEIGHT for each, in fractions."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text
from rl_nas.tasks.detection.listed import Box, ListedImage, ListedImages, Oddities, number, shown
from rl_nas.tasks.detection.missing import with_images
from rl_nas.tasks.detection.yaml_subset import Value, parse_yaml
from rl_nas.tasks.folder_files import IMAGES, check_inside, files_below, split_folders, splits_within
from rl_nas.tasks.name_lists import read_lines

LABELS = "labels"
_DESCRIPTIONS = ("data.yaml", "data.yml")
_NAMES = "classes.txt"
_SPLITS = ("train", "val", "test")
_COLUMNS = "CLASS X Y WIDTH HEIGHT, the centre and the size of a box in fractions of the image"
_FAR = 0.5
"""How far a box may reach beyond its image, in fractions of it; farther, the numbers are no fractions."""

ClassNames = Callable[[], Sequence[str] | None]
"""Gives the names of classes that files only number; None: nothing tells them."""

_Folders = dict[str, tuple[Path, Path]]
"""Folders of images and labels by split."""


def yolo_folders(root: Path, odd: Oddities | None = None) -> _Folders | None:
    """The folders of images and labels of each split; None: the folder is not YOLO's.

    Splits are those of data.yaml whose folders are there, else folders train, val and test above or below these.

    Args:
        root: the folder.
        odd: gets what is odd.

    Raises:
        UsageError: the folders are ambiguous.
    """
    odd = odd or Oddities()
    described = _described_folders(root, _description(root))
    found = described or split_folders(root, LABELS)
    if found is None or not any(files_below(labels, [], (".txt",)) for _, labels in found.values()):
        return None
    return splits_within(root, found, odd.tell)


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
    for split, (images, labels) in (yolo_folders(root, odd) or {}).items():
        label_of = {name.rpartition(".")[0]: path for name, path in files_below(labels, [], (".txt",))}
        image_of: dict[str, tuple[str, Path]] = {}
        for name, path in files_below(images, []):
            stem = name.rpartition(".")[0]
            if image_of.setdefault(stem, (name, path)) != (name, path):
                raise UsageError(f"{image_of[stem][1]} and {path} have the same name; rename or remove one")
        missing = [str(path) for stem, path in label_of.items() if stem not in image_of and path.name != _NAMES]
        listed = [_image(root, *image, label_of.get(stem), names, odd) for stem, image in image_of.items()]
        listed = with_images(listed, missing, split, str(labels), odd)
        if listed and not label_of:
            if split == "train":
                raise UsageError(f"{labels} has no labels for the {len(listed)} images of {images}; add them")
            odd.add("splits without labels; left out", split)
        elif listed:
            found[split] = listed
    return ListedImages(names, found)


def _description(root: Path) -> dict[str, Value]:
    """What data.yaml says; nothing if there is none."""
    for file in (root / name for name in _DESCRIPTIONS):
        check_inside(file, root)
        if file.is_file():
            text = read_text(file, "expected UTF-8 text")
            return parse_yaml(text, ("names", *_SPLITS), str(file))
    return {}


def _described_folders(root: Path, description: Mapping[str, Value]) -> _Folders:
    """Folders of splits by the description, if all of them are there."""
    found: _Folders = {}
    for split in _SPLITS:
        given = description.get(split)
        if isinstance(given, list):
            given = given[0] if len(given) == 1 else None
        if not isinstance(given, str) or not given:
            continue
        images = _inside(root, given)
        if images is None or IMAGES not in images.relative_to(root).parts:
            return {}
        parts = list(images.relative_to(root).parts)
        parts[len(parts) - 1 - parts[::-1].index(IMAGES)] = LABELS
        found[split] = (images, root.joinpath(*parts))
    seen = {folders[0]: split for split, folders in found.items()}
    for split, (images, _) in found.items():
        if seen[images] != split:
            raise UsageError(
                f"{root}: data.yaml has {images} for both {split} and {seen[images]}; expected one folder each"
            )
    return found


def _inside(root: Path, given: str) -> Path | None:
    """A folder by its path, of which `..` and `.` at the beginning are left out; None: it is not in the root."""
    parts = [part for part in given.replace("\\", "/").split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        parts.pop(0)
    if given.startswith("/") or ".." in parts:
        return None
    folder = root.joinpath(*parts)
    return folder if folder.is_dir() and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root)) else None


def _class_names(root: Path, given: ClassNames) -> tuple[str, ...]:
    """The classes in the order of their numbers."""
    described = _description(root).get("names")
    if isinstance(described, dict):
        if sorted(described) != sorted(map(str, range(len(described)))):
            raise UsageError(
                f"{root}: names of data.yaml are numbered {shown(', '.join(described))}; expected 0, 1, 2 and so on"
            )
        return tuple(described[str(place)] for place in range(len(described)))
    if isinstance(described, list) and described:
        return tuple(described)
    for file in (root / _NAMES, root / LABELS / _NAMES):
        check_inside(file, root)
        if file.is_file():
            return tuple(read_lines(str(file), _NAMES))
    names = given()
    if names is None:
        raise UsageError(f"{root}: nothing tells the classes; expected names in data.yaml, {_NAMES}, or --classes=FILE")
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
    if not words[0].isdecimal() or int(words[0][:9]) >= len(names):
        raise UsageError(f"{where} has class '{shown(words[0])}'; expected a number from 0 to {len(names) - 1}")
    x, y, width, height = (number(word, where) for word in words[1:])
    corners = (y - height / 2, x - width / 2, y + height / 2, x + width / 2)
    if min(width, height) < 0 or min(corners) < -_FAR or max(corners) > 1 + _FAR:
        raise UsageError(f"{where} has {shown(' '.join(words[1:]))}; expected {_COLUMNS}, from 0 to 1")
    return Box(corners, int(words[0]))
