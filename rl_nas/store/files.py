"""Atomic writing of files in a run folder."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_nas.errors import StorageError

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


def make_folder(path: Path) -> None:
    """Creates a folder if there is none yet.

    Raises:
        StorageError: the disk is full or read-only.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a file beside `path`, makes it durable and moves it into place.

    Raises:
        StorageError: the disk is full or read-only.
    """
    temporary = path.with_name(_draft_name(path.name))
    with storage_errors(path):
        try:
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


def _draft_name(name: str) -> str:
    return f".{os.getpid()}.{name}"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
