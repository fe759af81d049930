"""Recognition of the runs that this user started on this machine: their records are signed with a secret key."""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_KEY_BYTES = 32


def signature(record: Mapping[str, Any]) -> str | None:
    """The signature of what a run records, JSON values; None: there is no place for a key."""
    key = _read_key() or _make_key()
    if key is None:
        return None
    text = json.dumps(record, sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def is_own(record: Mapping[str, Any], signed: object) -> bool:
    """Whether a signature of a record is this user's."""
    if _read_key() is None or not isinstance(signed, str):
        return False
    expected = signature(record)
    return expected is not None and hmac.compare_digest(expected.encode(), signed.encode(errors="replace"))


def _key_file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "rl_nas" / "key"


def _read_key() -> bytes | None:
    """The key, unless others might know it."""
    try:
        with open(_key_file(), "rb") as file:
            status = os.fstat(file.fileno())
            private = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            key = file.read(_KEY_BYTES + 1)
    except OSError:
        return None
    return key if private and len(key) == _KEY_BYTES else None


def _make_key() -> bytes | None:
    """Creates the key, whole and readable for its user alone, unless there is a file of that name."""
    path = _key_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent) as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            _name(Path(file.name), path)
    except OSError:
        return None
    return _read_key()


def _name(file: Path, path: Path) -> None:
    """Gives a file its name, unless one of that name is there; copies it on file systems without hard links."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(file, path)
        except FileExistsError:
            raise
        except OSError:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
                copy.write(file.read_bytes())
