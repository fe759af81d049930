"""Reading of files that may be a stranger's: regular ones of a bounded size alone."""

import errno
import os
import stat
from pathlib import Path

MIB = 2**20

MOST_TEXT = 2048 * MIB
"""Most bytes of a text that is read whole."""


def check_regular(path: str | os.PathLike[str], most: int) -> None:
    """Raises an `OSError` that says what is wrong in its `strerror`, unless a path is a regular file of a bounded size.

    Pipes and devices are refused before they are opened: they may never end.

    Args:
        path: the file, or a link to it.
        most: bytes that it may have.
    """
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "is a pipe or a device; expected a regular file", os.fspath(path))
    if found.st_size > most:
        raise OSError(None, f"has {found.st_size:,} bytes; expected at most {most:,}", os.fspath(path))


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file; raises `OSError` as `check_regular` does."""
    check_regular(path, most)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:  # it has grown, or does not tell its size, as those of /proc
        raise OSError(None, f"has more than {most:,} bytes", os.fspath(path))
    return content


def read_regular_text(path: Path, most: int = MOST_TEXT) -> str:
    """The content of a regular UTF-8 file, without a byte order mark and carriage returns.

    Raises:
        OSError: as of `check_regular`.
        UnicodeDecodeError: it is no UTF-8.
    """
    text = read_regular(path, most).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")
