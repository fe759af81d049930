"""Boxes in JSON files as those of COCO (Lin et al. 2014; cocodataset.org/#format-data)."""

import mmap
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_json
from rl_nas.tasks.detection.image_index import ImageIndex
from rl_nas.tasks.detection.listed import Box, Corners, ListedImage, ListedImages, Oddities, check_order, number, shown
from rl_nas.tasks.detection.missing import with_images
from rl_nas.tasks.folder_files import IMAGES, SPLITS, check_inside, split_called

_ANNOTATIONS = "annotations"
_PREFIX = "instances_"
_ID = (int, str)
_FORM = {
    "images": [{"id": _ID, "file_name": str}],
    "annotations": [{"image_id": _ID, "category_id": _ID, "bbox": [float]}],
    "categories": [{"id": _ID, "name": str}],
}
_LARGEST_ID = 2**63 - 1
"""Python finds whole numbers of 64 bits in a table at once, but larger ones may all get the same place in it."""
_HINT = "expected images, annotations with a bbox [x, y, width, height] and categories, as COCO has them"


def coco_files(root: Path) -> list[Path]:
    """The JSON files of a folder that look like COCO's: in itself, in `annotations`, or in those of splits.

    Others of `annotations` do not count beside those called `instances_SPLIT.json`, as COCO's own.
    """
    folders = [root, root / _ANNOTATIONS, *(path for path in sorted(root.iterdir()) if path.name in SPLITS)]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.json"))]
    files = [file for file in files if file.is_file() and not file.name.startswith(".")]
    found = [file for file in files if _looks_so(file)]
    own = [file for file in found if file.parent.name == _ANNOTATIONS and file.name.startswith(_PREFIX)]
    return own or found


def read_coco(root: Path, files: Sequence[Path], odd: Oddities) -> ListedImages:
    """The images and boxes of a folder, one split for each file.

    Args:
        root: the folder.
        files: of `coco_files`.
        odd: gets what is odd.

    Raises:
        UsageError: a file is not as COCO's, files contradict each other, or images are missing.
    """
    index = ImageIndex(root, odd)
    numbers: dict[Any, int] | None = None
    names: tuple[str, ...] = ()
    splits: dict[str, list[ListedImage]] = {}
    for split, file in _splits(root, files).items():
        check_inside(file, root)
        content = _content(file)
        own = _categories(content["categories"], file)
        if numbers is not None and own != (numbers, names):
            raise UsageError(f"{file} has other categories than {files[0]}; expected the same ids and names in all")
        numbers, names = own
        places = _image_folders(root, file, split)
        images, missing = _Reader(file, index, places, numbers, odd).read(content)
        splits[split] = with_images(images, missing, split, str(file), odd)
    for name in index.unused():
        odd.add("images that no annotation lists; left out", name)
    return ListedImages(names, {split: images for split, images in splits.items() if images})


def read_coco_file(file: Path, images: Mapping[str, Path], odd: Oddities) -> ListedImages:
    """The boxes of images that lie elsewhere; what the file says of others is left out.

    Args:
        file: JSON.
        images: by name, a path.
        odd: gets what is odd.

    Raises:
        UsageError: the file is not as COCO's, or which images it means is not clear.
    """
    content = _content(file)
    numbers, names = _categories(content["categories"], file)
    hint = "give --boxes with the folder that the names in it begin in"
    found, _ = _Reader(file, ImageIndex(Path(), odd, images, hint), [Path()], numbers, odd, hint).read(content)
    return ListedImages(names, {"": found})


def _content(file: Path) -> Any:
    content = read_json(file, _FORM, _HINT)
    for one in (*content["images"], *content["categories"]):
        if isinstance(one["id"], int) and abs(one["id"]) > _LARGEST_ID:
            raise UsageError(f"{file} has the id {shown(one['id'])}; expected at most {_LARGEST_ID}")
    return content


def _looks_so(file: Path) -> bool:
    """Whether a file names what COCO's have; it may be long, and is not parsed."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(content.find(b'"%s"' % word) >= 0 for word in (b"images", b"annotations"))


def _splits(root: Path, files: Sequence[Path]) -> dict[str, Path]:
    """The file of each split, by the folder that it lies in or by its name."""
    found: dict[str, Path] = {}
    for file in files:
        words = [word.rstrip("0123456789") for word in re.split(r"[_\-. ]+", file.stem.lower())]
        split = next((name for word in (file.parent.name, *words) if (name := split_called(word))), "")
        if not split and len(files) > 1:
            raise UsageError(f"{root}: the name of {file} says no split; expected one such as {_PREFIX}train.json")
        split = split or "train"
        if split in found:
            raise UsageError(f"{root} has {found[split]} and {file} for split {split}; expected one file for each")
        found[split] = file
    return found


def _image_folders(root: Path, file: Path, split: str) -> list[Path]:
    """Where the images of a file may lie, the likeliest first."""
    if split_called(file.parent.name) == split:
        return [file.parent]
    called = [file.stem.removeprefix(_PREFIX), split]
    folders = [place for name in called for place in (root / IMAGES / name, root / name / IMAGES, root / name)]
    return [*dict.fromkeys(folder for folder in folders if folder.is_dir()), root / IMAGES, root]


def _categories(listed: Sequence[Mapping[str, Any]], file: Path) -> tuple[dict[Any, int], tuple[str, ...]]:
    """The number of each category by its id, in the order of ids, and the names."""
    name_of: dict[Any, str] = {}
    for one in listed:
        if name_of.setdefault(one["id"], one["name"]) != one["name"]:
            raise UsageError(f"{file} gives category {shown(one['id'])} two names; expected one")
    try:
        ids = sorted(name_of)
    except TypeError as error:
        raise UsageError(f"{file} mixes numbers and texts as ids of categories; expected numbers") from error
    return {key: place for place, key in enumerate(ids)}, tuple(name_of[key] for key in ids)


class _Reader:
    """Reads one file."""

    def __init__(
        self,
        file: Path,
        index: ImageIndex,
        folders: Sequence[Path],
        numbers: Mapping[Any, int],
        odd: Oddities,
        hint: str = "expected each image once",
    ) -> None:
        self._file, self._index, self._folders, self._numbers, self._odd = file, index, folders, numbers, odd
        self._hint = hint

    def read(self, content: Mapping[str, Any]) -> tuple[list[ListedImage], list[str]]:
        """The images that are there, and the names of those that are not."""
        boxes: dict[Any, list[Box]] = {one["id"]: [] for one in content["images"]}
        named = {one["id"]: one["file_name"] for one in content["images"]}
        self._index.begin(named.values())
        for place, one in enumerate(content["annotations"]):
            where = f"{self._file}: annotation {shown(one.get('id', place))}"
            if one["image_id"] not in boxes:
                raise UsageError(
                    f"{where} is of image {shown(one['image_id'])}, which is not listed; expected one of its images"
                )
            boxes[one["image_id"]].append(self._box(one, where))
        found: dict[str, ListedImage] = {}
        missing: list[str] = []
        for one in content["images"]:
            where = f"{self._file}: image {shown(one['id'])}"
            if named[one["id"]] != one["file_name"]:
                raise UsageError(f"{where} is listed with two names, {shown(one['file_name'])} is one; expected one")
            image = self._index.find(one["file_name"], self._folders, where)
            if image is None:
                missing.append(shown(one["file_name"]))
                continue
            listed = ListedImage(*image, where, _size(one, where), boxes[one["id"]])
            self._merge(found, listed)
        return list(found.values()), missing

    def _merge(self, found: dict[str, ListedImage], listed: ListedImage) -> None:
        """Adds an image; one that is there already must be the same."""
        known = found.setdefault(listed.name, listed)
        if known is not listed:
            if (known.size, Counter(known.boxes)) != (listed.size, Counter(listed.boxes)):
                raise UsageError(
                    f"{listed.where} is {listed.file} too, as {known.where}, with other boxes or sizes; {self._hint}"
                )
            self._odd.add("images that are listed twice with equal boxes; taken once", str(listed.file))

    def _box(self, one: Mapping[str, Any], where: str) -> Box:
        if one["category_id"] not in self._numbers:
            raise UsageError(
                f"{where} has category {shown(one['category_id'])}, which is not listed; expected one of them"
            )
        if len(one["bbox"]) != 4:
            raise UsageError(f"{where} has a bbox of {len(one['bbox'])} numbers; expected x, y, width and height")
        left, top, width, height = (number(value, where) for value in one["bbox"])
        corners: Corners = (top, left, top + height, left + width)
        check_order(corners, where, "a bbox [x, y, width, height]")
        area = one.get("area")
        return Box(
            corners,
            self._numbers[one["category_id"]],
            ignore=one.get("iscrowd") in (1, True),
            area=None if area is None else number(area, where),
        )


def _size(one: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    height, width = (one.get(key) for key in ("height", "width"))
    return (int(number(height, where)), int(number(width, where))) if height and width else None
