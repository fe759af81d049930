"""Which images of which class a folder has, by split: CLASS/NAME.jpg, or train/CLASS/NAME.jpg beside other splits."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import tensorflow as tf

from rl_nas.child.data.image_header import IMAGE_TYPES
from rl_nas.errors import UsageError
from rl_nas.names import shown_names
from rl_nas.tasks.folder_files import IMAGES, is_folder, is_hidden, kind_of_file, kinds_text, split_called

TRAIN = "train"
_SHOWN = 3


class ClassFiles(NamedTuple):
    """The images of a folder.

    Attributes:
        class_names: of the classes that have images to train on, sorted.
        folders: split -> its folder.
        files: split -> path in the split's folder and number of the class of each image, class after class.
        remarks: lines on what was left out.
        links: files and folders that are links.
    """

    class_names: Sequence[str]
    folders: Mapping[str, str]
    files: Mapping[str, Sequence[tuple[str, int]]]
    remarks: Sequence[str]
    links: Sequence[str] = ()


_Classes = dict[str, list[str]]
"""Class -> its images, paths in the folder of their split."""


class _Entry(NamedTuple):
    """A file or folder of a folder."""

    name: str
    is_folder: bool
    is_link: bool = False


@dataclass
class _Seen:
    """What is met beside images: kinds of files that are left out, and links."""

    left_out: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)


def list_classes(path: str) -> ClassFiles | None:
    """The images of a folder; None if it is in neither layout.

    Args:
        path: of the folder, local or in a bucket.

    Raises:
        UsageError: there are no images to train on, another split has a class that these have not, or folders are of no
            clear split.
    """
    seen = _Seen()
    try:
        splits = _split_folders(path, seen)
        listed = {split: _list_split(folder, seen) for split, folder in (splits or {TRAIN: path}).items()}
        names = sorted(name for name, files in listed[TRAIN].items() if files)
        if splits is None and len(names) < 2:
            _check_not_too_high(path, names)
            _check_not_too_low(path, names)
            _check_not_alone(path, names)
            return None
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
    splits = splits or {TRAIN: path}
    if not names:
        raise UsageError(f"--dataset=folder:{path}: no image in the folders of {splits[TRAIN]}")
    numbers = {name: number for number, name in enumerate(names)}
    listed, others = _known(path, numbers, listed)
    files = {
        split: [(file, numbers[name]) for name, found in classes.items() for file in found]
        for split, classes in listed.items()
    }
    files = {split: found for split, found in files.items() if found}
    empty = [f"{splits[split]}/{name}" for split, classes in listed.items() for name in classes if not classes[name]]
    told = {
        f"{len(names)} folders are classes": names if splits[TRAIN] == path else (),
        "folders that are neither splits nor classes, left out": others,
        "splits of other names, read only where --valid_split names one": [
            one for one in listed if not split_called(one)
        ],
        "folders without an image, which are no classes": [name.removeprefix(f"{path}/") for name in empty],
        "left out what is no image in the folder of a class": kinds_text(seen.left_out),
    }
    texts = {what: found if isinstance(found, str) else shown_names(found, _SHOWN) for what, found in told.items()}
    remarks = [f"{path}: {what}: {text}" for what, text in texts.items() if text]
    return ClassFiles(names, splits, files, remarks, seen.links)


def _split_folders(path: str, seen: _Seen) -> dict[str, str] | None:
    """Split -> its folder, where one of `path` is called as a split and has folders; None: no such folder."""
    folders = _folders(path)
    named = [one.name for one in folders if split_called(one.name) and _folders(f"{path}/{one.name}")]
    if not named:
        return None
    found: dict[str, str] = {}
    for name, _, is_link in folders:
        split = split_called(name) or name
        if split in found:
            raise UsageError(f"{path} has folders {found[split]} and {name} for split {split}; expected one for each")
        found[split] = name
        seen.links += [f"{path}/{name}"] if is_link else []
    if TRAIN not in found:
        raise UsageError(f"{path} has folders {', '.join(named)} of splits; expected one named {TRAIN}, too")
    return {split: f"{path}/{name}" for split, name in found.items()}


def _list_split(folder: str, seen: _Seen) -> _Classes:
    """The classes of a split."""
    classes = {}
    for entry in _entries(folder):
        if is_hidden(entry.name):
            seen.left_out.update(_hidden_kind(entry))
        elif entry.is_folder:
            place = f"{folder}/{entry.name}"
            seen.links += [place] if entry.is_link else []
            classes[entry.name] = [f"{entry.name}/{file}" for file in _images(place, seen)]
        else:
            seen.left_out[f"{kind_of_file(entry.name)} beside the folders of classes"] += 1
    return classes


def _images(folder: str, seen: _Seen) -> Iterator[str]:
    """Yields the images below a folder, sorted, by their paths in it; folders may be nested as deep as paths can be."""
    left = [("", entry) for entry in reversed(_entries(folder))]
    while left:
        above, entry = left.pop()
        name = f"{above}{entry.name}"
        place = f"{folder}/{name}"
        if is_hidden(entry.name):
            seen.left_out.update(_hidden_kind(entry))
        elif entry.is_folder and entry.is_link:
            seen.left_out["links to folders"] += 1  # which may be a circle
        elif entry.is_folder:
            left += [(f"{name}/", one) for one in reversed(_entries(place))]
        elif entry.name.lower().endswith(IMAGE_TYPES):
            seen.links += [place] if entry.is_link else []
            yield name
        else:
            seen.left_out[kind_of_file(entry.name)] += 1


def _hidden_kind(entry: _Entry) -> list[str]:
    """What a hidden file or folder is counted as; nothing if nobody would take it for images."""
    if entry.is_folder:
        return ["hidden folders"]
    return ["hidden files"] if entry.name.lower().endswith(IMAGE_TYPES) else []


def _check_not_too_high(path: str, names: Sequence[str]) -> None:
    """Raises `UsageError` if the only folder with images is itself one of folders of classes."""
    if names and len(_folders(f"{path}/{names[0]}")) > 1:
        raise UsageError(
            f"--dataset=folder:{path} has one folder with images, {names[0]}; give --dataset=folder:{path}/{names[0]}"
        )


def _check_not_too_low(path: str, names: Sequence[str]) -> None:
    """Raises `UsageError` if there are images, but in no folder."""
    images = [] if names else [one.name for one in _entries(path) if _is_loose_image(one)]
    if images:
        raise UsageError(
            f"--dataset=folder:{path} has images, such as {images[0]}, and no folder of a class; expected"
            " CLASS/NAME.jpg: give the folder above it, or move the images of each class into a folder"
        )


def _check_not_alone(path: str, names: Sequence[str]) -> None:
    """Raises `UsageError` if the only folder with images is one of a class, not of images that have masks or boxes."""
    if names and names[0].lower() != IMAGES:
        raise UsageError(f"--dataset=folder:{path} has images of one class alone, {names[0]}; expected at least two")


def _is_loose_image(entry: _Entry) -> bool:
    return not entry.is_folder and not is_hidden(entry.name) and entry.name.lower().endswith(IMAGE_TYPES)


def _known(path: str, names: Collection[str], listed: dict[str, _Classes]) -> tuple[dict[str, _Classes], list[str]]:
    """The splits, and names of other folders: not called as a split, and without a class that is trained on.

    Raises:
        UsageError: a split has a class that is not trained on.
    """
    kept, others = {}, []
    for split, classes in listed.items():
        unknown = [name for name, files in classes.items() if files and name not in names]
        if split_called(split) or any(name in names for name in classes):
            kept[split] = classes
        else:
            others.append(split)
        if unknown and split in kept:
            raise UsageError(
                f"--dataset=folder:{path}: {split} has images of {shown_names(unknown, _SHOWN)}, which train has not;"
                " expected the same classes"
            )
    return kept, others


def _folders(path: str) -> list[_Entry]:
    return [entry for entry in _entries(path) if entry.is_folder and not is_hidden(entry.name)]


def _entries(path: str) -> list[_Entry]:
    """What a folder has, sorted by name."""
    if "://" in path:
        return [_Entry(name.rstrip("/"), _is_folder(path, name)) for name in sorted(tf.io.gfile.listdir(path))]
    with os.scandir(path) as found:
        return sorted(_Entry(one.name, is_folder(one), one.is_symlink()) for one in found)


def _is_folder(path: str, name: str) -> bool:
    """Whether an entry of a bucket is a folder; it takes long to ask for each."""
    return name.endswith("/") or not (name.lower().endswith(IMAGE_TYPES) or not tf.io.gfile.isdir(f"{path}/{name}"))
