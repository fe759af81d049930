"""The images and boxes of a folder, in whichever format they are. No TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.cleaning import check_pixels
from rl_nas.tasks.detection.coco_json import coco_files, read_coco
from rl_nas.tasks.detection.data_settings import AUTO, FORMATS
from rl_nas.tasks.detection.listed import ListedImages, Oddities
from rl_nas.tasks.detection.voc_xml import is_voc, read_voc
from rl_nas.tasks.detection.yolo import ClassNames, read_yolo
from rl_nas.tasks.detection.yolo_splits import is_yolo

_FORMATS: Mapping[str, Callable[[Path], bool]] = {
    "coco": lambda root: bool(coco_files(root)),
    "voc": is_voc,
    "yolo": is_yolo,
}


def list_boxes(root: Path, box_format: str, names: ClassNames, odd: Oddities) -> ListedImages | None:
    """The images and boxes of a folder; None if it is in none of the `LAYOUTS`.

    Args:
        root: the folder.
        box_format: value of the flag, one of `FORMATS` or AUTO.
        names: of classes that the folder only numbers; called where that is so.
        odd: gets what is odd.

    Raises:
        UsageError: it has a layout, but not all that this needs, or several.
        OSError: a file cannot be read.
    """
    found = [name for name in FORMATS if _FORMATS[name](root)] if root.is_dir() else []
    chosen = _chosen(root, found, box_format)
    if chosen is None:
        return None
    listed = _read(root, chosen, names, odd)
    if not any(listed.splits.values()):
        raise UsageError(f"{root} has boxes in the format {chosen}, but no image with them")
    _check_once(listed, root)
    check_pixels(listed.splits, root)
    return listed


def _chosen(root: Path, found: Sequence[str], given: str) -> str | None:
    """The format to read; None: there is none."""
    if given != AUTO:
        if found and given not in found:
            raise UsageError(f"--box_format={given}: {root} has boxes in the format {', '.join(found)}; give that one")
        return given if found else None
    if len(found) > 1:
        raise UsageError(
            f"{root} has boxes in several formats: {', '.join(found)}; say which with --box_format={found[0]}"
        )
    return found[0] if found else None


def _read(root: Path, chosen: str, names: ClassNames, odd: Oddities) -> ListedImages:
    if chosen == "coco":
        return read_coco(root, coco_files(root), odd)
    return read_voc(root, odd) if chosen == "voc" else read_yolo(root, names, odd)


def _check_once(listed: ListedImages, root: Path) -> None:
    """Raises `UsageError` for an image in two splits: what is measured must not be trained on."""
    split_of: dict[Path, str] = {}
    for split, images in listed.splits.items():
        for image in images:
            if split_of.setdefault(image.file, split) != split:
                raise UsageError(
                    f"{root}: {image.file} is in splits {split_of[image.file]} and {split}; expected one of them"
                )
