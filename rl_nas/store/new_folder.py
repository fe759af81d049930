"""Folders that are written whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from rl_nas.errors import UsageError
from rl_nas.store.files import check_is_no_pattern, draft_name, final_name, storage_errors

_UNFINISHED = "rl_nas-unfinished"


@contextmanager
def new_folder(path: Path, flag: str = "--out") -> Iterator[Path]:
    """Gives a folder to fill, which becomes `path` when the body ends, and is deleted when it fails.

    It is filled beside its place. One that is there already, empty, may be the working folder or a mount: it is filled
    from within. Errors of the body name files by the places that they would have had.

    Args:
        path: of the folder; folders above it are made, too.
        flag: that names it, for messages.

    Yields:
        The folder to fill.

    Raises:
        UsageError: the folder holds files, or has a name that TensorFlow takes for a pattern.
        StorageError: it cannot be made.
    """
    place = Path(os.path.realpath(path))
    check_is_no_pattern(flag, path)
    with storage_errors(path):
        there = place.is_dir()
        found = list(place.iterdir()) if there else []
        if place.exists() and not (there and all(map(_is_unfinished, found))):
            raise UsageError(f"{flag}={path} holds other files; give a new or an empty folder")
        for left in found:
            shutil.rmtree(left)
    draft = place / draft_name(_UNFINISHED) if there else place.with_name(draft_name(place.name))
    above = [folder for folder in draft.parents if not folder.exists()]
    try:
        with storage_errors(path):
            draft.mkdir(parents=True)
        yield draft
        with storage_errors(path):
            if there:
                for part in list(draft.iterdir()):
                    part.rename(place / part.name)
                draft.rmdir()
            else:
                draft.rename(place)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        for folder in above:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        error.args = tuple(_named(argument, draft, path) for argument in error.args)
        raise


def _is_unfinished(path: Path) -> bool:
    """Whether a killed process of this machine has left this."""
    if not (path.name != _UNFINISHED == final_name(path.name) and path.is_dir() and not path.is_symlink()):
        return False
    return not psutil.pid_exists(int(path.name.split(".")[1]))


def _named(argument: object, draft: Path, path: Path) -> object:
    return argument.replace(str(draft), str(path)) if isinstance(argument, str) else argument
