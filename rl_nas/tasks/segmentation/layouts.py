"""Layouts of folders with images and masks: which pairs of files a folder holds, by split."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.matching import match_names

LAYOUTS = (
    "images/NAME.jpg with masks/NAME.png, both within or above folders train, val and test; or PASCAL VOC's JPEGImages,"
    " SegmentationClass and ImageSets/Segmentation"
)
"""The layouts in words."""

_IMAGES, _MASKS = "images", "masks"
_VOC = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
_VOC_SPLITS = ("train", "val", "test")
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Names of folders that are splits, not parts of one."""

_TYPES = (".jpg", ".jpeg", ".png")


class Pair(NamedTuple):
    """An image and its mask.

    Attributes:
        name: of the image, a path below the folder of its split.
        image: its file.
        mask: the mask's file.
    """

    name: str
    image: Path
    mask: Path


class Image(NamedTuple):
    """An image, whose mask may be unknown.

    Attributes:
        name: a path below the root, of its split and within this.
        file: of the image.
        mask: the mask's file.
    """

    name: str
    file: Path
    mask: Path | None


def find_pairs(root: Path, suffix: str | None, tell: Callable[[str], None]) -> dict[str, list[Pair]] | None:
    """The pairs of a folder by split; None if it has no layout of images with masks.

    Args:
        root: the folder.
        suffix: what names of masks add to those of images; None: found, see `match_names`.
        tell: called with a line on what is left out.

    Raises:
        UsageError: the layout is ambiguous, an image has no mask, or a list names files outside of the folder.
    """
    if _is_voc(root):
        return _without_secret(_voc_pairs(root), root, tell)
    folders = _folders(root)
    return None if folders is None else _named_pairs(root, _of_splits(root, folders, tell), suffix, tell)


def all_images(root: Path, suffix: str | None, tell: Callable[[str], None]) -> list[Image] | None:
    """All images of a folder, of any split or none, with the masks that are there; None if it has no layout.

    Args:
        root: the folder.
        suffix: as in `find_pairs`.
        tell: called with a line on files without a partner.

    Raises:
        UsageError: the layout is ambiguous.
    """
    folders = {"": (root / _VOC[0], root / _VOC[1])} if _is_voc(root) else _folders(root)
    if folders is None:
        return None
    images, masks, others = _files(folders)
    found = match_names(list(images), list(masks), suffix)
    if found.images_left:
        count = f"{len(found.images_left)} of {len(images)}"
        tell(f"{root}: images without a true mask: {count}, such as {images[found.images_left[0]]}; not measured")
    _tell_left([str(masks[name]) for name in found.masks_left], f"{root}: masks without an image", tell)
    _tell_left(others, f"{root}: neither JPEG nor PNG images", tell)
    mask_of = {image: masks[mask] for image, mask in found.masks.items()}
    return [Image(name.removeprefix("/"), path, mask_of.get(name)) for name, path in images.items()]


def _is_voc(root: Path) -> bool:
    return all((root / folder).is_dir() for folder in _VOC)


def _folders(root: Path) -> dict[str, tuple[Path, Path]] | None:
    """The folders of images and of masks of each split, by its name, or of all, by an empty name."""
    images, masks = root / _IMAGES, root / _MASKS
    above = {path.name: (path / _IMAGES, path / _MASKS) for path in sorted(root.iterdir()) if path.is_dir()}
    above = {name: folders for name, folders in above.items() if any(folder.is_dir() for folder in folders)}
    if not (images.is_dir() and masks.is_dir()):
        complete = any(folders[0].is_dir() and folders[1].is_dir() for folders in above.values())
        return above if complete else None
    if above:
        raise UsageError(f"{root} has {_IMAGES} both in itself and in {', '.join(above)}; expected one of them")
    return {"": (images, masks)}


def _of_splits(
    root: Path, folders: dict[str, tuple[Path, Path]], tell: Callable[[str], None]
) -> dict[str, tuple[Path, Path]]:
    """The same by split, where splits are folders within those of images and of masks too."""
    if "" not in folders:
        return folders
    images, masks = folders[""]
    within = [path for folder in (images, masks) for path in sorted(folder.iterdir()) if path.name[0] != "."]
    splits = sorted({path.name for path in within if path.is_dir()})
    if not _SPLITS.intersection(splits):
        return {"train": (images, masks)}
    _tell_left([str(path) for path in within if not path.is_dir()], f"{root}: files beside the folders of splits", tell)
    return {name: (images / name, masks / name) for name in splits}


def _named_pairs(
    root: Path, folders: Mapping[str, tuple[Path, Path]], suffix: str | None, tell: Callable[[str], None]
) -> dict[str, list[Pair]]:
    """Pairs by the names of files; suffixes are the same in all splits."""
    images, masks, others = _files(folders)
    found = match_names(list(images), list(masks), suffix)
    pairs: dict[str, list[Pair]] = {split: [] for split in folders}
    for name, mask in found.masks.items():
        split, _, within = name.partition("/")
        pairs[split].append(Pair(within, images[name], masks[mask]))
    left = [name for name in found.images_left if pairs[_split(name)] or _split(name) == "train"]
    if left:
        raise UsageError(
            f"{root}: images without a mask: {len(left)}, such as {images[left[0]]}; add masks (of one ignored value"
            " throughout, if nothing is known), remove the images, or give --mask_suffix"
        )
    for split in {_split(name): None for name in found.images_left}:
        tell(f"{root}: split {split} has no masks and is left out")
    _tell_left([str(masks[name]) for name in found.masks_left], f"{root}: masks without an image", tell)
    _tell_left(others, f"{root}: neither JPEG nor PNG images", tell)
    return {split: found for split, found in pairs.items() if found}


def _files(folders: Mapping[str, tuple[Path, Path]]) -> tuple[dict[str, Path], dict[str, Path], list[str]]:
    """The files of images and of masks by SPLIT/NAME, and the paths of others."""
    others: list[str] = []
    images, masks = (
        {f"{split}/{name}": path for split, pair in folders.items() for name, path in files_below(pair[which], others)}
        for which in range(2)
    )
    return images, masks, others


def _split(name: str) -> str:
    """The split of a path that begins with it."""
    return name.partition("/")[0]


def files_below(folder: Path, others: list[str]) -> list[tuple[str, Path]]:
    """Images below a folder, sorted, by their paths from there; files of other types are added to `others`."""
    found = []
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        others += [str(path) for path in (Path(place, name) for name in subfolders) if path.is_symlink()]
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in _TYPES and not name.startswith("."):
                found.append((path.relative_to(folder).as_posix(), path))
            elif not name.startswith("."):
                others.append(str(path))
    return found


def _voc_pairs(root: Path) -> dict[str, list[Pair]]:
    """Pairs by the lists of PASCAL VOC (Everingham et al. 2010); a mask may be missing."""
    images, masks, lists = (root / folder for folder in _VOC)
    pairs = {}
    for split in _VOC_SPLITS:
        file = lists / f"{split}.txt"
        check_inside(file, root)
        if not file.is_file():
            continue
        names = [_plain(name, file) for name in _read(file).split()]
        pairs[split] = [Pair(name, images / f"{name}.jpg", masks / f"{name}.png") for name in names]
        twice = len(names) - len(set(names))
        if twice:
            raise UsageError(f"{file} names {twice} images more than once; expected each once")
    if not pairs:
        raise UsageError(f"{lists} has none of {', '.join(f'{split}.txt' for split in _VOC_SPLITS)}")
    return pairs


def _without_secret(pairs: Mapping[str, list[Pair]], root: Path, tell: Callable[[str], None]) -> dict[str, list[Pair]]:
    """Splits whose masks are there; a split without any mask, such as the secret ones of VOC's test, is left out."""
    kept = {}
    for split, found in pairs.items():
        missing = [pair for pair in found if not pair.mask.is_file()]
        if missing and (len(missing) < len(found) or split == "train"):
            raise UsageError(
                f"{root}: images without a mask: {len(missing)} of split {split}, such as {missing[0].image}; add"
                f" {missing[0].mask}, or shorten the list"
            )
        if missing:
            tell(f"{root}: split {split} has no masks and is left out")
        elif found:
            kept[split] = found
    return kept


def check_inside(file: Path, root: Path) -> None:
    """Raises `UsageError` for a link out of a folder: what a data set brings must not lead to other files."""
    if not Path(os.path.realpath(file)).is_relative_to(
        os.path.realpath(root)
    ):  # resolve fails where links are a circle
        raise UsageError(f"{file} is a link out of the folder {root}; put the file itself there")


def _plain(name: str, file: Path) -> str:
    """A name from a list, if it is one of a file within a folder."""
    if name != Path(name).name or name.startswith(".") or "\\" in name or "\0" in name:
        raise UsageError(f"{file} has an entry {name[:60]!r}; expected names of images, without a folder")
    return name


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); expected a name of an image in each line") from error


def _tell_left(names: Sequence[str], what: str, tell: Callable[[str], None]) -> None:
    if names:
        tell(f"{what}: {len(names)}, such as {names[0]}; left out")
