"""A file system on which no process can share memory, as 9p and some of networks are, for this process's SQLite."""

import _sqlite3
import ctypes
import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_MAP = ctypes.CFUNCTYPE(
    *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64),
    use_errno=True,
)


class _FileSystem(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""


_FileSystem._fields_ = [
    *((name, ctypes.c_int) for name in ("version", "size", "longest")),
    ("next", ctypes.c_void_p),
    ("name", ctypes.c_char_p),
    *((f"pointer{number}", ctypes.c_void_p) for number in range(14)),
    ("set_system_call", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
]


@_MAP
def _refused(*unused: int) -> int:
    ctypes.set_errno(errno.ENODEV)
    return ctypes.c_void_p(-1).value or -1


@contextmanager
def no_shared_memory() -> Iterator[None]:
    """SQLite's own switch for its tests replaces the call `mmap`: it fails as such file systems let it."""
    _replace(_refused)
    try:
        yield
    finally:
        _replace(None)


@contextmanager
def memory_shared() -> Iterator[None]:
    """The file system of this machine, within `no_shared_memory`."""
    _replace(None)
    try:
        yield
    finally:
        _replace(_refused)


def _replace(call: object) -> None:
    library = ctypes.CDLL(_sqlite3.__file__)
    try:
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_FileSystem)
    except AttributeError:
        pytest.skip("this Python's SQLite cannot be reached")
    system = library.sqlite3_vfs_find(None)
    if system.contents.version < 3 or system.contents.set_system_call(system, b"mmap", call):
        pytest.skip("this SQLite lets no system call be replaced")
