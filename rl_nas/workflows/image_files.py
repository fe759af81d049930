"""The image files that words of a command line stand for. No TensorFlow."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rl_nas.child.data.broken_images import read_headers
from rl_nas.child.data.image_header import IMAGE_TYPES
from rl_nas.errors import UsageError
from rl_nas.tasks.folder_files import is_hidden, kind_of_file, kinds_text
from rl_nas.tasks.predictor import ImageFile, Predictor


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
    """Raises `UsageError` for all files that are no images, or for the first whose target is of another size."""
    for file, header in zip(files, read_headers(file.path for file in files), strict=True):
        predictor.check(file, header)


def _below(folder: Path, tell: Callable[[str], None]) -> list[ImageFile]:
    found, others = [], Counter[str]()
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not is_hidden(name))
        for name in sorted(name for name in names if not is_hidden(name)):
            path = Path(place, name)
            if path.suffix.lower() in IMAGE_TYPES:
                found.append(ImageFile(path.relative_to(folder).as_posix(), path))
            else:
                others[kind_of_file(name)] += 1
    if not found:
        raise UsageError(f"{folder} holds no image; expected files that end in {', '.join(IMAGE_TYPES)}")
    if others:
        tell(f"{folder}: left out what is no image: {kinds_text(others)}")
    return found
