"""Image files that cannot be read: all of them in one line. No TensorFlow."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from rl_nas.child.data.image_header import (
    MOST_BYTES,
    USUAL_BITS,
    ImageHeader,
    TooDeepError,
    TooLargeError,
    read_image_header,
)
from rl_nas.errors import UsageError
from rl_nas.names import shown_names
from rl_nas.regular_files import check_regular

DAMAGED = "cannot be decoded; fix or remove it"

_SHOWN = 10

Found = TypeVar("Found")


def problem_of(error: Exception) -> str:
    """What an error says of an image's file, after its name."""
    if isinstance(error, (TooLargeError, TooDeepError)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        own = error.errno is None  # of `check_regular`
        return f"{error.strerror}; remove it" if own else f"cannot be read: {error.strerror}"
    return DAMAGED


def refusal_of(problems: Mapping[str, str]) -> UsageError:
    """The error for files that cannot be read.

    Args:
        problems: file -> what is wrong with it, after its name; at least one.
    """
    if len(problems) == 1:
        return UsageError(" ".join(*problems.items()))
    named = [file if problem == DAMAGED else f"{file} ({problem})" for file, problem in problems.items()]
    return UsageError(f"{len(named):,} files cannot be decoded; fix or remove them: {shown_names(named, _SHOWN)}")


def readable_headers(files: Iterable[Path]) -> tuple[dict[Path, ImageHeader], dict[str, str]]:
    """The headers of the images among files, and what is wrong with each of the others, for `refusal_of`."""
    return _look(files, read_image_header)


def read_headers(files: Iterable[Path]) -> list[ImageHeader]:
    """The header of each image.

    Raises:
        UsageError: some files are no images; it names all of them.
    """
    return _of_each(files, read_image_header)


def check_files(files: Iterable[Path]) -> None:
    """Checks that files can be read whole, without a look at their content.

    Raises:
        UsageError: some are absent, pipes, devices, or too large; it names all of them.
    """
    _of_each(files, lambda file: check_regular(file, MOST_BYTES))


def _of_each(files: Iterable[Path], look: Callable[[Path], Found]) -> list[Found]:
    """What is found in each file; raises the error for all of which it cannot be."""
    files = list(files)
    found, problems = _look(files, look)
    if problems:
        raise refusal_of(problems)
    return [found[file] for file in files]


def _look(files: Iterable[Path], look: Callable[[Path], Found]) -> tuple[dict[Path, Found], dict[str, str]]:
    """What is found in each file, and what is wrong with those in which it cannot be."""
    found: dict[Path, Found] = {}
    problems: dict[str, str] = {}
    for file in files:
        try:
            found[file] = look(file)
        except Exception as error:  # of many types: files may be broken in any way
            problems[str(file)] = problem_of(error)
    return found, problems


def header_remarks(files: Iterable[Path], headers: Iterable[ImageHeader], where: object) -> list[str]:
    """Lines on what is not read of images: further frames, lower bits, transparency.

    Args:
        files: of the images.
        headers: of each.
        where: the folder that holds them.
    """
    pairs = list(zip(files, headers, strict=True))
    kinds = {
        "images of several frames or pages, of which the first is read": [file for file, one in pairs if one.animated],
        "images of more than 8 bits a channel, of which the upper 8 are read": [
            file for file, one in pairs if one.bits > USUAL_BITS
        ],
        "images with transparency, which is dropped": [file for file, one in pairs if one.transparent],
    }
    return [f"{where}: {kind}: {len(found):,}, such as {found[0]}" for kind, found in kinds.items() if found]
