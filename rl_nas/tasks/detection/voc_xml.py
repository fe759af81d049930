"""Boxes in XML files as those of PASCAL VOC (Everingham et al. 2010)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text
from rl_nas.tasks.detection.image_index import OTHER_NAME
from rl_nas.tasks.detection.listed import Box, Corners, ListedImage, ListedImages, Oddities, check_order, number, shown
from rl_nas.tasks.detection.missing import with_annotations, with_images
from rl_nas.tasks.folder_files import check_inside, files_below, read_names

_BOXES, _IMAGES, _LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
_SPLITS = ("train", "val", "test")
_TRAIN_AND_VAL = "trainval"
_HINT = "expected an annotation as PASCAL VOC has them"
_DECLARATIONS = ("<!DOCTYPE", "<!ENTITY")


class _Object(NamedTuple):
    """A box whose class has no number yet."""

    name: str
    corners: Corners
    ignore: bool


class _Annotated(NamedTuple):
    """An image, and what its XML file says."""

    image: Path
    where: Path
    size: tuple[int, int] | None
    objects: list[_Object]


def is_voc(root: Path) -> bool:
    """Whether a folder has those of PASCAL VOC, with annotations in XML."""
    return (root / _IMAGES).is_dir() and any((root / _BOXES).glob("*.xml"))


def read_voc(root: Path, odd: Oddities) -> ListedImages:
    """The images and boxes of a folder.

    Splits are the lists in ImageSets/Main; without these, all is for training. Classes are the names that any file
    has, in alphabetical order.

    Args:
        root: the folder.
        odd: gets what is odd.

    Raises:
        UsageError: a file is not as PASCAL VOC's, or images or annotations are missing.
    """
    files = _by_stem(files_below(root / _BOXES, [], (".xml",)))
    images = _Images(root, odd)
    lists = _lists(root)
    found: dict[str, list[_Annotated]] = {}
    for split, names in (lists or {"train": list(files)}).items():
        where = f"{root}: split {split}"
        annotated = with_annotations(names, [name for name in names if name not in files], split, where, odd)
        pairs = [(images.find(name), files[name]) for name in annotated]
        missing = [str(file) for image, file in pairs if image is None]
        there = with_images([(image, file) for image, file in pairs if image is not None], missing, split, where, odd)
        found[split] = [_annotated(image, file, root) for image, file in there]
    listed = {name for names in lists.values() for name in names}
    for name in files.keys() - listed if lists else ():
        odd.add("annotations that no list names; left out", str(files[name]))
    for image in images.unused(one.image for split in found.values() for one in split):
        odd.add("images without an annotation; left out", image)
    return _numbered({split: one for split, one in found.items() if one}, root)


def _lists(root: Path) -> dict[str, list[str]]:
    """The names of each split; without a list of those to train on, all but the test's are."""
    found = {}
    for split in (*_SPLITS, _TRAIN_AND_VAL):
        file = root / _LISTS / f"{split}.txt"
        if file.is_file() and not (split == _TRAIN_AND_VAL and "train" in found):
            found[split] = read_names(file, root)
    if _TRAIN_AND_VAL in found:
        held_out = set(found.get("val", ()))
        found["train"] = [name for name in found.pop(_TRAIN_AND_VAL) if name not in held_out]
    return found


def _by_stem(files: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files by their names without folders and endings."""
    found: dict[str, Path] = {}
    for _, path in files:
        if found.setdefault(path.stem, path) != path:
            raise UsageError(f"{found[path.stem]} and {path} have the same name; rename or remove one")
    return found


class _Images:
    """The images of a folder by the names of their files without the ending."""

    def __init__(self, root: Path, odd: Oddities) -> None:
        self._odd, self._of = odd, _by_stem(files_below(root / _IMAGES, []))
        self._lower = {stem.lower(): path for stem, path in self._of.items()}

    def find(self, name: str) -> Path | None:
        """The image of a name, else that of the name in another case."""
        found = self._of.get(name) or self._lower.get(name.lower())
        if found is not None and found.stem != name:
            self._odd.add(OTHER_NAME, f"{found} for {name}")
        return found

    def unused(self, used: Iterable[Path]) -> list[str]:
        """The images that are not among those used."""
        taken = set(used)
        return [str(path) for path in self._of.values() if path not in taken]


def _annotated(image: Path, file: Path, root: Path) -> _Annotated:
    """Reads a file; its own name says which image it is of.

    Raises:
        UsageError: it is not as PASCAL VOC's.
    """
    check_inside(file, root)
    tree = _parsed(file)
    height, width = (tree.findtext(f"size/{side}") for side in ("height", "width"))
    sides = (int(number(height or 0, str(file))), int(number(width or 0, str(file))))
    objects = [_object(one, f"{file}: object {place}") for place, one in enumerate(tree.iterfind("object"), 1)]
    return _Annotated(image, file, sides if all(sides) else None, objects)  # some tools write 0


def _parsed(file: Path) -> ElementTree.Element:
    """The root of a file's elements; declarations, which could expand or fetch anything, are refused before."""
    text = read_text(file, _HINT)  # UTF-8 alone: other encodings could hide a declaration
    if any(word in text.upper() for word in _DECLARATIONS):
        raise UsageError(f"{file} declares a document type or entities; {_HINT}, without them")
    try:
        tree = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UsageError(f"{file} is not XML ({shown(error)}); {_HINT}") from error
    if tree.tag != "annotation":
        raise UsageError(f"{file} holds <{shown(tree.tag)}>; {_HINT}, in <annotation>")
    return tree


def _object(one: ElementTree.Element, where: str) -> _Object:
    """A box: pixels are counted from 1, and the last ones belong to it, so that its edges begin one pixel earlier."""
    name = (one.findtext("name") or "").strip()
    if not name:
        raise UsageError(f"{where} has no name; {_HINT}")
    left, top, right, bottom = (
        number(one.findtext(f"bndbox/{side}"), f"{where}: {side}") for side in ("xmin", "ymin", "xmax", "ymax")
    )
    check_order((top, left, bottom, right), where, "xmin, ymin, xmax and ymax")
    return _Object(name, (top - 1, left - 1, bottom, right), (one.findtext("difficult") or "0").strip() == "1")


def _numbered(found: Mapping[str, Sequence[_Annotated]], root: Path) -> ListedImages:
    """The images with classes by number."""
    every = [one for annotated in found.values() for one in annotated]
    names = tuple(sorted({thing.name for one in every for thing in one.objects}))
    number_of = {name: place for place, name in enumerate(names)}
    splits = {
        split: [
            ListedImage(
                one.image.relative_to(root / _IMAGES).as_posix(),
                one.image,
                str(one.where),
                one.size,
                [Box(thing.corners, number_of[thing.name], thing.ignore) for thing in one.objects],
            )
            for one in annotated
        ]
        for split, annotated in found.items()
    }
    return ListedImages(names, splits)
