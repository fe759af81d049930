"""Writing of files in a run folder, which may be a stranger's: atomically, and never through links to elsewhere."""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rl_nas.errors import StorageError, UsageError

_PATTERN = frozenset("*?[\\")
"""Characters of patterns."""
_DRAFT = re.compile(r"\.\d+\.(.+)", re.DOTALL)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns errors of the operating system into a one-line `StorageError` with the path."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}") from error


def check_own(path: Path) -> None:
    """Raises `UsageError` unless a path is a folder, a file that has no other name, or absent.

    What a run writes to a link, or reads from it, is elsewhere; a pipe or a device may never end.
    """
    try:
        found = path.lstat()
    except OSError:  # it is absent, or cannot be used anyway
        return
    if stat.S_ISLNK(found.st_mode):
        kind = "a link"
    elif stat.S_ISREG(found.st_mode):
        kind = "a file with other names (hard links)" if found.st_nlink > 1 else ""
    else:
        kind = "" if stat.S_ISDIR(found.st_mode) else "a pipe, a socket or a device"
    if kind:
        raise UsageError(
            f"{path} is {kind}; a run folder holds files and folders of its own alone: remove it, or if you trust it"
            " use a copy of the folder that cp -rL makes"
        )


def check_folder(folder: Path) -> None:
    """Raises `UsageError` for anything in a folder, however deep, that `check_own` refuses; itself it may be a link."""
    left = [folder]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                check_own(Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))


def open_to_append(path: Path) -> TextIO:
    """Opens a UTF-8 file, which may be absent, to append lines; raises `OSError` for a link."""
    return open(path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666))


def check_is_no_pattern(flag: str, folder: Path) -> None:
    """Raises `UsageError` for a folder whose path TensorFlow takes for a pattern: it would not find its own files."""
    if met := sorted(_PATTERN.intersection(str(folder.absolute()))):
        raise UsageError(
            f"{flag}={folder}: TensorFlow reads {' '.join(met)} in paths as patterns, and finds no file there; give a"
            " folder without"
        )


def check_can_make(flag: str, folder: Path) -> None:
    """Raises `StorageError` if a folder that a flag names is not there and cannot be made, or written; makes none."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise StorageError(f"cannot create {flag}={folder}: {above} is not a writable folder")


def make_folder(path: Path) -> None:
    """Creates a folder if there is none yet.

    Raises:
        StorageError: the disk is full or read-only.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def remove_folder(path: Path) -> None:
    """Deletes a folder if there is one, from its name at once: what a kill leaves of it is found by nobody."""
    aside = path.with_name(f".{path.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if path.exists():
        with storage_errors(path):
            path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a file beside `path`, makes it durable and moves it into place.

    Raises:
        StorageError: the disk is full or read-only.
    """
    temporary = path.with_name(draft_name(path.name))
    with storage_errors(path):
        try:
            temporary.unlink(missing_ok=True)  # whatever it is, `write` makes a file
            write(temporary)
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def final_name(name: str) -> str:
    """The name of the file that a file of this name is, or is a draft of: one that `write_atomically` fills."""
    draft = _DRAFT.fullmatch(name)
    return draft[1] if draft else name


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically."""
    write_atomically(path, lambda temporary: _write(temporary, content))


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    write_bytes(path, text.encode())


def draft_name(name: str) -> str:
    """The name under which this process makes a file or a folder, until it is whole."""
    return f".{os.getpid()}.{name}"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
