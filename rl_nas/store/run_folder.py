"""The folder of any run: its config and its lock."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.errors import StorageError, UsageError
from rl_nas.renamed import current_flags
from rl_nas.store.files import (
    check_can_make,
    check_folder,
    check_is_no_pattern,
    check_own,
    final_name,
    make_folder,
    storage_errors,
    write_text,
)
from rl_nas.store.json_files import OTHERS, SCALAR, read_json

_LOCK = "lock"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""Of file systems such as Lustre without the option `flock`."""
_CONFIG = {"flags": {OTHERS: SCALAR}}
REMEDY = "restore the file from a copy, or, if the run is yours, start another one by the flags.cfg beside it"


class RunFolder:
    """Paths of a run folder. Nothing is read or written before `create` or `reopen`.

    Attributes:
        path: the folder.
        config: all flags, the seed and the versions (JSON).
        flagfile: repeats the run.
        tensorboard: figures for TensorBoard.
    """

    _FIRST: ClassVar[tuple[str, ...]] = ("config.json", "flags.cfg")
    """Files that a start writes."""
    _BEFORE: ClassVar[tuple[str, ...]] = ()
    """What may be there before a start."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.config = self.path / "config.json"
        self.flagfile = self.path / "flags.cfg"
        self.tensorboard = self.path / "tensorboard"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Subfolders that are there while the run is at work."""
        return ()

    def check(self) -> None:
        """Raises `UsageError` if anything in the folder is a link to elsewhere, a pipe or a device.

        The folder itself may be a link.
        """
        check_folder(self.path)

    def check_new(self) -> None:
        """Raises `UsageError` if the folder holds anything, `StorageError` if it cannot be created.

        What a start left that ended before it had a config does not count.
        """
        with storage_errors(self.path):
            self._check_new()

    def _check_new(self) -> None:
        if self.config.exists():
            raise UsageError(
                f"--run_dir={self.path} already holds a run: continue it with --resume, or give another folder"
            )
        if self.path.exists() and (not self.path.is_dir() or not self._is_begun()):
            raise UsageError(f"--run_dir={self.path} holds other files; give a new or an empty folder")
        check_is_no_pattern("--run_dir", self.path)
        check_can_make("--run_dir", self.path)

    def _is_begun(self) -> bool:
        """Whether the folder holds nothing, or the lock and nothing else than other files of a start."""
        found = {path.name for path in self.path.iterdir()} - set(self._BEFORE)
        others = {name for name in found - {_LOCK} if final_name(name) not in self._FIRST}
        return not found or (_LOCK in found and not others)

    def create(self, config: dict[str, Any], flagfile: str, **files: str) -> None:
        """Begins a run: makes the folder, acquires its lock and writes its first files.

        Wherever this ends early, either the run can be resumed, or the folder still counts as new.

        Args:
            config: content of config.json.
            flagfile: content of flags.cfg.
            files: further files of `_FIRST`, by their names without endings.

        Raises:
            UsageError: another process has begun a run there since `check_new`.
            StorageError: the disk is full or read-only.
        """
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self._lock_kept():
            self.check()
            self.check_new()
            for path in self.path.iterdir():
                if path.name != final_name(path.name):
                    path.unlink()  # a draft of a start that was killed
            write_text(self.flagfile, flagfile)
            for name, text in files.items():
                write_text(getattr(self, name), text)
            # The config comes last: a folder with one is a run that can be resumed.
            self.write_config(config)
            self._make_folders()

    def write_config(self, config: dict[str, Any]) -> None:
        """Writes, or replaces, the run's config."""
        write_text(self.config, json.dumps(config, indent=2) + "\n")

    def reopen(self) -> dict[str, Any]:
        """Acquires the lock of an existing run; returns its config."""
        with storage_errors(self.path):
            if not self.config.exists():
                raise UsageError(f"--run_dir={self.path} holds no run to resume; start one without --resume")
        check_is_no_pattern("--run_dir", self.path)
        with self._lock_kept():
            config = self.read_config()  # which checks the folder
            self._make_folders()
        return config

    def read_config(self) -> dict[str, Any]:
        """The config of a run, which may be at work in another process; flags have their present names.

        Raises:
            UsageError: it is absent or broken, or the folder holds what `check` refuses.
        """
        self.check()
        config: dict[str, Any] = read_json(self.config, _CONFIG, REMEDY)
        if not isinstance(config.get("changes", []), list):
            raise UsageError(f"{self.config}: changes is no list; {REMEDY}")
        return {**config, "flags": current_flags(config["flags"])}

    @property
    def in_use(self) -> bool:
        """Whether a process has the lock of the run."""
        try:
            lock = os.open(self.path / _LOCK, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # such as of a file system without locks, on which no run can be
            return False
        finally:
            os.close(lock)
        return False

    def _make_folders(self) -> None:
        for folder in self.folders:
            make_folder(folder)

    @contextmanager
    def _lock_kept(self) -> Iterator[None]:
        """Acquires the lock, and keeps it unless the body fails; the system releases it however the process ends."""
        check_own(self.path / _LOCK)
        with storage_errors(self.path):
            lock = os.open(self.path / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"--run_dir={self.path} is in use by another process; wait for it or stop it"
                ) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise StorageError(f"cannot lock {self.path}: {error.strerror or error}") from error
                raise UsageError(
                    f"--run_dir={self.path}: its file system has no locks ({error.strerror}), which a run needs; give a"
                    " folder on another"
                ) from error
            yield
        except BaseException:
            os.close(lock)
            raise


def if_there(name: str, path: Path) -> dict[str, Path]:
    """A file by its description; nothing if there is no such file."""
    return {name: path} if path.exists() else {}
