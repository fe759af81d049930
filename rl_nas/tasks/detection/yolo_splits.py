"""Which images and files of labels a folder in YOLO's layout has, by split."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text
from rl_nas.tasks.detection.image_index import ImageIndex
from rl_nas.tasks.detection.listed import Oddities, shown
from rl_nas.tasks.detection.yaml_subset import Value, parse_yaml
from rl_nas.tasks.folder_files import IMAGES, check_inside, files_below, split_folders, splits_within

LABELS = "labels"
NAMES = "classes.txt"
_DESCRIPTIONS = ("data.yaml", "data.yml")
_SPLITS = ("train", "val", "test")
_TEXT, _MOST = ".txt", 1 << 20
_DEEPEST = 100
"""Most folders of a path in data.yaml."""


class SplitFiles(NamedTuple):
    """The files of a split.

    Attributes:
        images: name, a path below the folder of the split, file, and file of labels, None without one, of each image.
        missing: names of images that are listed, or paths of labels whose image is not there.
        images_at: the folder of images or their list, for messages.
        labels_at: the folder of labels or the list of images, likewise.
    """

    images: Sequence[tuple[str, Path, Path | None]]
    missing: Sequence[str]
    images_at: str
    labels_at: str


def is_yolo(root: Path) -> bool:
    """Whether a folder has images, and labels in text files, as YOLO's data sets."""
    places = [place for named in _places(root).values() for _, place in named if place is not None]
    labels = [root / _labels_of(root, place) for place in places if place.is_dir()]
    labels = labels or [folder for _, folder in (split_folders(root, LABELS) or {}).values()]
    return any(files_below(folder, [], (_TEXT,)) for folder in labels)


def find_splits(root: Path, odd: Oddities) -> dict[str, SplitFiles]:
    """The files of each split: of those that data.yaml names, else of folders above or below images and labels.

    Args:
        root: the folder.
        odd: gets what data.yaml names and is not there.

    Raises:
        UsageError: the images to train on are not where data.yaml says, or the folders are ambiguous.
    """
    described = _described(root, odd)
    if described:
        index = ImageIndex(root, odd) if any(place.is_file() for some in described.values() for place in some) else None
        return {split: _joined(root, places, index) for split, places in described.items()}
    folders = splits_within(root, split_folders(root, LABELS) or {}, odd.tell)
    return {split: _of_folder(images, labels) for split, (images, labels) in folders.items()}


def read_description(root: Path) -> dict[str, Value]:
    """What data.yaml says of classes and splits; nothing if there is none.

    Raises:
        UsageError: it leads out of the folder, is too long, or is not in the part of YAML that is read.
    """
    for file in (root / name for name in _DESCRIPTIONS):
        check_inside(file, root)
        if file.is_file():
            if file.stat().st_size > _MOST:
                raise UsageError(f"{file} has {file.stat().st_size} bytes; expected at most {_MOST}")
            return parse_yaml(read_text(file, "expected UTF-8 text"), ("names", *_SPLITS), str(file))
    return {}


def _places(root: Path) -> dict[str, list[tuple[str, Path | None]]]:
    """What data.yaml names for each split, with the folder or list of images that it is; None: that is not there."""
    description, found = read_description(root), {}
    for split in _SPLITS:
        given = description.get(split, "")
        if isinstance(given, dict):
            raise UsageError(f"{root}: data.yaml has a map for {split}; expected a folder of images, or a list of them")
        words = [word for word in ([given] if isinstance(given, str) else given) if word]
        if words:
            found[split] = [(word, _place(root, word)) for word in words]
    return found


def _place(root: Path, given: str) -> Path | None:
    """The folder or list of images that a path names, of which folders above the root may be the beginning.

    Descriptions have paths of the machine that they were written on, or relative to another folder.
    """
    parts = [part for part in given.replace("\\", "/").split("/") if part not in ("", ".")]
    while parts[:1] == [".."]:
        del parts[0]
    if ".." in parts or len(parts) > _DEEPEST:
        return None
    for start in range(len(parts)):
        place = root.joinpath(*parts[start:])
        if place.suffix == _TEXT and place.is_file():
            return place
        folder = place if IMAGES in parts[start:] else place / IMAGES
        if folder.is_dir() and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root)):
            return folder
    return None


def _described(root: Path, odd: Oddities) -> dict[str, list[Path]]:
    """The folders and lists of images that data.yaml names and that are there."""
    found: dict[str, list[Path]] = {}
    split_of: dict[Path, str] = {}
    for split, named in _places(root).items():
        for given, place in named:
            if place is None and split == "train":
                raise UsageError(
                    f"{root}: data.yaml has '{shown(given)}' for train, which is not there; expected a folder such as"
                    " images/train, with labels/train, or a list of images"
                )
            if place is None:
                odd.add("what data.yaml names for a split and is not there; left out", f"{given} for {split}")
            elif place in split_of:
                raise UsageError(
                    f"{root}: data.yaml has {place} for both {split_of[place]} and {split}; expected one folder each"
                )
            else:
                split_of[place] = split
                found.setdefault(split, []).append(place)
    return found


def _joined(root: Path, places: Sequence[Path], index: ImageIndex | None) -> SplitFiles:
    """The files of the folders and lists of a split; images of several are called by their paths below the root."""
    parts = [
        _of_list(root, place, index) if index and place.is_file() else _of_folder(place, root / _labels_of(root, place))
        for place in places
    ]
    if len(parts) == 1:
        return parts[0]
    images = [(file.relative_to(root).as_posix(), file, labels) for part in parts for _, file, labels in part.images]
    (name, count), *_ = Counter(name for name, _, _ in images).most_common(1) or [("", 0)]
    if count > 1:
        raise UsageError(f"{root}: data.yaml names {name} twice for one split; expected folders and lists without it")
    missing = [name for part in parts for name in part.missing]
    return SplitFiles(images, missing, *(" and ".join(ats) for ats in zip(*(part[2:] for part in parts), strict=True)))


def _of_folder(images: Path, labels: Path) -> SplitFiles:
    """The images of a folder, and labels of the same names below another.

    Raises:
        UsageError: two images have one name.
    """
    label_of = {_stem(name): path for name, path in files_below(labels, [], (_TEXT,))}
    image_of: dict[str, tuple[str, Path]] = {}
    for name, path in files_below(images, []):
        if image_of.setdefault(_stem(name), (name, path)) != (name, path):
            raise UsageError(f"{image_of[_stem(name)][1]} and {path} have the same name; rename or remove one")
    missing = [str(path) for stem, path in label_of.items() if stem not in image_of and path.name != NAMES]
    found = [(*image, label_of.get(stem)) for stem, image in image_of.items()]
    return SplitFiles(found, missing, str(images), str(labels))


def _of_list(root: Path, file: Path, index: ImageIndex) -> SplitFiles:
    """The images that a list names, looked up among those of the folder, and the labels in their places.

    Raises:
        UsageError: the list leads out of the folder or is no text, or names an image twice or several by one name.
    """
    check_inside(file, root)
    images: dict[str, tuple[str, Path, Path | None]] = {}
    missing = []
    for place, line in enumerate(read_text(file, "expected the path of an image in each line").split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file}: line {place}"
        found = index.find(line.strip(), [root], where)
        if found is None:
            missing.append(shown(line.strip()))
            continue
        name, image = found
        labels = root / _labels_of(root, image).with_suffix(_TEXT)
        if name in images:
            raise UsageError(f"{where} names {image} again; expected each image once")
        images[name] = (name, image, labels if labels.is_file() else None)
    return SplitFiles(list(images.values()), missing, str(file), str(file))


def _labels_of(root: Path, images: Path) -> Path:
    """The path below the root where the labels of an image or a folder of images are."""
    parts = list(images.relative_to(root).parts)
    if IMAGES in parts:
        parts[len(parts) - 1 - parts[::-1].index(IMAGES)] = LABELS
    return Path(*parts)


def _stem(name: str) -> str:
    """A path without the ending of its file type."""
    return name.rpartition(".")[0]
