"""The start of a run: two at once, wrong ones, and ends at any place of it."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import started_run
from started_run import FILES, KINDS
from watchdog import TIMEOUT

from rl_nas.errors import StorageError, UsageError
from rl_nas.store import files
from rl_nas.store.new_folder import new_folder
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.training_folder import TrainingFolder

CONFIG = {"flags": {"seed": 7}}


def killed(kind: str, folder: Path, operation: int) -> bool:
    words = [sys.executable, started_run.__file__, kind, str(folder), str(operation)]
    code = subprocess.run(words, check=False, timeout=TIMEOUT).returncode
    assert code in (0, 9)
    return code == 9


def goes_on(kind: str, folder: Path) -> str:
    """Continues a start that was ended, in the one way that there is; returns which."""
    run = KINDS[kind](folder)
    if run.config.exists():
        with pytest.raises(UsageError, match="--resume"):
            run.check_new()
        assert run.reopen() == CONFIG
        way = "resumed"
    else:
        with pytest.raises(UsageError, match="start one without --resume"):
            run.reopen()
        started_run.begin(kind, str(folder))
        way = "started again"
    expected = {"config.json", "flags.cfg", "lock", *(f"{name}.json" for name in FILES[kind])}
    assert {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")} == expected
    assert all(path.is_dir() for path in run.folders)
    return way


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_was_killed_at_any_place_starts_again_or_goes_on(tmp_path: Path, kind: str) -> None:
    ways, operation = [], 1
    while killed(kind, folder := tmp_path / str(operation) / "run", operation):
        ways.append(goes_on(kind, folder))
        operation += 1
    assert ways == sorted(ways, reverse=True)  # first the one, then the other
    assert {"resumed", "started again"} <= {*ways, goes_on(kind, folder)}


@pytest.mark.parametrize("file", ["flags.cfg", "config.json", "genotype.json"])
def test_a_disk_that_is_full_at_the_start(tmp_path: Path, file: str) -> None:
    def full(path: Path, content: bytes) -> None:
        if file in path.name:
            path.write_bytes(content[:3])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(content)

    folder = tmp_path / "run"
    told = pytest.raises(StorageError, match=rf"cannot write {folder}/{file}: No space left")
    with mock.patch.object(files, "_write", full), told:
        started_run.begin("training", str(folder))
    assert goes_on("training", folder) == "started again"


def test_of_two_starts_the_second_changes_nothing(tmp_path: Path) -> None:
    first, second = SearchFolder(tmp_path / "run"), SearchFolder(tmp_path / "run")
    for folder in (first, second):
        folder.check_new()  # before both prepare their data
    first.create(CONFIG, "")
    with pytest.raises(UsageError, match="in use by another process"):
        second.create({"flags": {"seed": 8}}, "--seed=8")
    assert first.read_config() == CONFIG
    assert first.flagfile.read_text() == ""


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_as_such(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = SearchFolder(tmp_path / "run")
    with pytest.raises(UsageError, match="its file system has no locks"):
        folder.create(CONFIG, "")
    assert not folder.in_use


def test_a_lock_that_fails_otherwise_tells_its_own_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(StorageError, match=r"cannot lock .*/run: Input/output error"):
        SearchFolder(tmp_path / "run").create(CONFIG, "")


def test_a_start_after_one_that_has_ended_meanwhile_changes_nothing(tmp_path: Path) -> None:
    late = TrainingFolder(tmp_path / "run")
    late.check_new()
    assert not killed("training", tmp_path / "run", 1000)
    before = {path.name: path.read_bytes() for path in late.path.iterdir()}
    with pytest.raises(UsageError, match="already holds a run"):
        late.create({"flags": {"seed": 8}}, "--seed=8", genotype="")
    assert {path.name: path.read_bytes() for path in late.path.iterdir()} == before
    assert late.reopen() == CONFIG  # the refused one holds no lock


@pytest.mark.parametrize("name", ["runs/tr[1]/b", "a*b", "what?", "c\\d"])
def test_folders_that_tensorflow_takes_for_patterns_are_refused(name: str, tmp_path: Path) -> None:
    for folder in (SearchFolder(tmp_path / name), TrainingFolder(tmp_path / name)):
        with pytest.raises(UsageError, match="as patterns, and finds no file there; give a folder without"):
            folder.check_new()
    with pytest.raises(UsageError, match="--out="), new_folder(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_moved_to_such_a_folder_is_not_resumed(tmp_path: Path) -> None:
    assert not killed("training", tmp_path / "run", 1000)
    moved = (tmp_path / "run").rename(tmp_path / "tr[1]")
    with pytest.raises(UsageError, match="as patterns, and finds no file there; give a folder without"):
        TrainingFolder(moved).reopen()


@pytest.mark.parametrize("names", [["flags.cfg"], ["genotype.json"], ["lock", "notes.txt"], [".1.config.json"]])
def test_files_of_a_user_are_no_start(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="holds other files"):
        TrainingFolder(tmp_path).check_new()


def test_folders_that_were_lost_are_made_again(tmp_path: Path) -> None:
    assert not killed("search", tmp_path / "run", 1000)
    folder = SearchFolder(tmp_path / "run")
    for path in folder.folders:
        path.rmdir()
    folder.reopen()
    assert all(path.is_dir() for path in folder.folders)
