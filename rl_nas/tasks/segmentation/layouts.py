"""Layouts of folders with images and masks: which pairs of files a folder holds, by split."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from rl_nas.errors import UsageError
from rl_nas.tasks.folder_files import (
    check_inside,
    files_below,
    read_names,
    split_folders,
    splits_within,
    tell_kinds,
    tell_left,
)
from rl_nas.tasks.segmentation.matching import match_names

LAYOUTS = (
    "images/NAME.jpg with masks/NAME.png, both within or above folders train, val and test; or PASCAL VOC's JPEGImages,"
    " SegmentationClass and ImageSets/Segmentation"
)
"""The layouts in words."""

_MASKS = "masks"
_VOC = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
_VOC_SPLITS = ("train", "val", "test")


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
    folders = split_folders(root, _MASKS)
    return None if folders is None else _named_pairs(root, splits_within(root, folders, tell), suffix, tell)


def all_images(root: Path, suffix: str | None, tell: Callable[[str], None]) -> list[Image] | None:
    """All images of a folder, of any split or none, with the masks that are there; None if it has no layout.

    Args:
        root: the folder.
        suffix: as in `find_pairs`.
        tell: called with a line on files without a partner.

    Raises:
        UsageError: the layout is ambiguous.
    """
    folders = {"": (root / _VOC[0], root / _VOC[1])} if _is_voc(root) else split_folders(root, _MASKS)
    if folders is None:
        return None
    images, masks, others = _files(folders)
    found = match_names(list(images), list(masks), suffix)
    if found.images_left:
        count = f"{len(found.images_left)} of {len(images)}"
        tell(f"{root}: images without a true mask: {count}, such as {images[found.images_left[0]]}; not measured")
    tell_left([str(masks[name]) for name in found.masks_left], f"{root}: masks without an image", tell)
    tell_kinds(others, root, tell)
    mask_of = {image: masks[mask] for image, mask in found.masks.items()}
    return [Image(name.removeprefix("/"), path, mask_of.get(name)) for name, path in images.items()]


def _is_voc(root: Path) -> bool:
    return all((root / folder).is_dir() for folder in _VOC)


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
    tell_left([str(masks[name]) for name in found.masks_left], f"{root}: masks without an image", tell)
    tell_kinds(others, root, tell)
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


def _voc_pairs(root: Path) -> dict[str, list[Pair]]:
    """Pairs by the lists of PASCAL VOC (Everingham et al. 2010); a mask may be missing."""
    images, masks, lists = (root / folder for folder in _VOC)
    image_of, mask_of = _by_stem(images), _by_stem(masks)
    pairs = {}
    for split in _VOC_SPLITS:
        file = lists / f"{split}.txt"
        check_inside(file, root)
        if file.is_file():
            pairs[split] = [
                Pair(name, image_of(f"{name}.jpg"), mask_of(f"{name}.png")) for name in read_names(file, root)
            ]
    if not pairs:
        raise UsageError(f"{lists} has none of {', '.join(f'{split}.txt' for split in _VOC_SPLITS)}")
    return pairs


def _by_stem(folder: Path) -> Callable[[str], Path]:
    """From the name of an image to its file in a folder, which may be of another type."""
    files = dict(files_below(folder, []))
    others = {path.stem: path for path in files.values()}
    return lambda name: files.get(name) or others.get(Path(name).stem) or folder / name


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
