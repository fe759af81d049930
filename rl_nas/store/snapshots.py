"""Copies of the trials of a run at work: for reading, and for readers where only one process can open the file.

SQLite keeps the index of a write-ahead log in memory that processes share, a file beside it that they map. File systems
such as 9p, some of FUSE and of networks cannot. There one process alone can use the log, which it then indexes in its
own memory (SQLite's documentation, "Write-Ahead Logging", section 8).
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from rl_nas.store.files import draft_name, storage_errors

SNAPSHOT = "snapshot"
"""What the name of a snapshot adds to that of its file."""

_NO_SHARED_MEMORY = frozenset(
    {"SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMOPEN", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMLOCK"}
)
_SPARED = 99
"""Times as long as it took to make a snapshot until the next one: a hundredth of the time goes into them."""


class Snapshot:
    """A copy of an open database beside it, for readers; it is whole at every moment.

    Args:
        connection: the only one to the database.
        path: of the database.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path, self._next = connection, _snapshot(path), 0.0

    def renew(self) -> None:
        """Makes the copy again, unless that would take more than a hundredth of the time.

        Raises:
            StorageError: the disk is full or read-only.
        """
        began = time.monotonic()
        if began < self._next:
            return
        draft = self._path.with_name(draft_name(self._path.name))
        draft.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(draft)) as target:
                self._connection.backup(target)
            with storage_errors(self._path):
                draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)
        ended = time.monotonic()
        self._next = ended + _SPARED * (ended - began)

    def remove(self) -> None:
        """Deletes the copy: the database itself can be read."""
        with storage_errors(self._path):
            self._path.unlink(missing_ok=True)


def snapshot_of(path: Path) -> Path | None:
    """The snapshot that a process at work has left of a database, if any."""
    return _snapshot(path) if _snapshot(path).exists() else None


def copy_database(path: Path, copy: Path) -> None:
    """Copies a database that another process may be writing to.

    Raises:
        sqlite3.Error: it cannot be read, or not beside that process.
    """
    patience = 0.0 if snapshot_of(path) else 5.0  # seconds
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=patience)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()  # `backup` would wait for a lock without end
        source.backup(target)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has locked the database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # without its details


def lacks_shared_memory(error: BaseException | None) -> bool:
    """Whether SQLite could not share memory beside a database."""
    return getattr(error, "sqlite_errorname", "") in _NO_SHARED_MEMORY


def _snapshot(path: Path) -> Path:
    return path.with_name(f"{path.name}-{SNAPSHOT}")
