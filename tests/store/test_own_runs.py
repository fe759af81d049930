"""The key by which a user's runs are recognized, on file systems that lack what it is made with."""

import errno
import os
from pathlib import Path

import pytest

from rl_nas.store.own_runs import is_own, signature


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "rl_nas"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_home_without_hard_links_has_a_key(number: int, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*unused: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    record = {"flags": {"seed": 1}}
    signed = signature(record)
    assert signed is not None
    assert is_own(record, signed)
    assert not is_own({"flags": {"seed": 2}}, signed)
    assert ((state / "key").stat().st_mode & 0o777, os.listdir(state)) == (0o600, ["key"])


def test_a_key_that_another_process_makes_meanwhile_is_kept(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(source: object, path: Path) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(b"k" * 32)
        raise FileExistsError

    monkeypatch.setattr(os, "link", late)
    assert signature({}) == signature({})
    assert (state / "key").read_bytes() == b"k" * 32
