"""The image files that words of a command line stand for. No TensorFlow."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rl_nas.child.data.broken_images import readable_headers, refusal_of
from rl_nas.child.data.image_header import IMAGE_TYPES
from rl_nas.errors import UsageError, printable
from rl_nas.tasks.folder_files import check_links, files_below, tell_kinds
from rl_nas.tasks.predictor import ImageFile, Predictor


def find_images(
    words: Sequence[str], predictor: Predictor, tell: Callable[[str], None], *, trust: bool = False
) -> list[ImageFile]:
    """Files as they are named, and the images of folders, sorted.

    Args:
        words: paths of files and folders.
        predictor: knows layouts of folders.
        tell: called with a line on what is left out.
        trust: whether links in folders may lead out of them.

    Raises:
        UsageError: there is no such file, or no image in a folder, or a link out of it that is not trusted.
    """
    found: list[ImageFile] = []
    for word in words:
        path = Path(word)
        if path.is_file():
            found.append(ImageFile(path.name, path, word=word))
        elif path.is_dir():
            found += predictor.images(path, tell) or _below(path, tell, trust=trust)
        else:
            raise UsageError(f"{word}: no such file; expected an image, or a folder of images")
    return predictor.with_targets(list({file.path: file for file in found}.values()), tell)


def readable_files(files: Sequence[ImageFile], predictor: Predictor, problems: dict[str, str]) -> list[ImageFile]:
    """The files that are images by their headers, and whose targets are of their size.

    Args:
        files: to look at.
        predictor: knows targets.
        problems: takes what is wrong with the others.

    Raises:
        UsageError: there is none; it names all.
    """
    headers, found = readable_headers(file.path for file in files)
    problems |= found
    for file in files:
        if file.path in headers:
            try:
                predictor.check(file, headers[file.path])
            except UsageError as error:
                problems[str(file.path)] = problem_in(file, error)
    readable = [file for file in files if str(file.path) not in problems]
    if not readable:
        raise refusal_of(problems)
    return readable


def problem_in(file: ImageFile, error: UsageError) -> str:
    """What is wrong with a file, after its name."""
    return str(error).removeprefix(printable(str(file.path))).lstrip()


def _below(folder: Path, tell: Callable[[str], None], *, trust: bool) -> list[ImageFile]:
    others: list[str] = []
    found = [ImageFile(name, path) for name, path in files_below(folder, others)]
    if not found:
        raise UsageError(f"{folder} holds no image; expected files that end in {', '.join(IMAGE_TYPES)}")
    links = [str(image.path) for image in found if image.path.is_symlink()]
    for line in check_links(links, str(folder), trust=trust):
        tell(line)
    tell_kinds(others, folder, tell)
    return found
