"""The image files that words of a command line stand for. No TensorFlow."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rl_nas.child.data.image_header import ImageHeader, TooLargeError, read_image_header
from rl_nas.errors import UsageError
from rl_nas.tasks.predictor import ImageFile, Predictor

_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


def find_images(words: Sequence[str], predictor: Predictor, tell: Callable[[str], None]) -> list[ImageFile]:
    """Files as they are named, and the images of folders, sorted.

    Args:
        words: paths of files and folders.
        predictor: knows layouts of folders.
        tell: called with a line on what is left out.

    Raises:
        UsageError: there is no such file, or no image in a folder.
    """
    found: list[ImageFile] = []
    for word in words:
        path = Path(word)
        if path.is_file():
            found.append(ImageFile(path.name, path, word=word))
        elif path.is_dir():
            found += predictor.images(path, tell) or _below(path, tell)
        else:
            raise UsageError(f"{word}: no such file; expected an image, or a folder of images")
    return predictor.with_targets(list({file.path: file for file in found}.values()), tell)


def check_headers(files: Sequence[ImageFile], predictor: Predictor) -> None:
    """Raises `UsageError` for the first file that is no image, or whose target is of another size."""
    for file in files:
        predictor.check(file, _header(file.path))


def _below(folder: Path, tell: Callable[[str], None]) -> list[ImageFile]:
    found, others = [], Counter[str]()
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(place, name)
            if path.suffix.lower() in _ENDINGS:
                found.append(ImageFile(path.relative_to(folder).as_posix(), path))
            else:
                others[path.suffix.lower() or "without an ending"] += 1
    if not found:
        raise UsageError(f"{folder} holds no image; expected files that end in {', '.join(_ENDINGS)}")
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common(4))
        tell(f"{folder}: files that are no images: {kinds}{', ...' if len(others) > 4 else ''}; left out")
    return found


def _header(path: Path) -> ImageHeader:
    """The header of an image; raises `UsageError` if the file is none."""
    try:
        return read_image_header(path, _FORMATS)
    except TooLargeError as error:
        raise UsageError(f"{path} {error}") from error
    except Exception as error:  # of many types: files may be broken in any way
        raise UsageError(f"{path} cannot be decoded; expected a PNG, JPEG, GIF or BMP image") from error
