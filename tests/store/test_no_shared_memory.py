"""Trials on a file system where SQLite can share no memory: written by one process, read by others from a snapshot."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from no_shared_memory import memory_shared, no_shared_memory

from rl_nas.doctor.finding import State
from rl_nas.doctor.machine import disk
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Measurement, Trial, TrialState

TRIALS = [Trial(i, (i,), TrialState.OK, 0.5, Measurement.of({"accuracy": 0.5, "loss": 1.0})) for i in range(4)]


@pytest.fixture(autouse=True)
def file_system() -> Iterator[None]:
    with no_shared_memory():
        yield


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which snapshots take no time: one follows every trial."""
    monkeypatch.setattr("rl_nas.store.snapshots.time.monotonic", lambda: 0.0)


def test_sqlite_itself_fails_there(tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "t.sqlite")) as connection,
        pytest.raises(sqlite3.OperationalError, match="disk I/O error"),
    ):
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")


def test_trials_are_recorded_and_resumed(tmp_path: Path) -> None:
    for number, trial in enumerate(TRIALS):
        with TrialStore(tmp_path / "t.sqlite") as store:
            assert store.alone
            assert store.trials() == TRIALS[:number]
            store.record(trial)
    assert read_trials(tmp_path / "t.sqlite") == TRIALS
    assert not (tmp_path / "t.sqlite-snapshot").exists()


def read_elsewhere(path: Path) -> list[Trial]:
    """What another process reads, to which this one's locks are closed."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        os.close(receiving)
        with os.fdopen(sending, "w") as answer:
            answer.write(repr([trial.index for trial in read_trials(path)]))
            answer.flush()
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as answer:
        text = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return [TRIALS[index] for index in eval(text)]


@pytest.mark.usefixtures("still")
def test_a_run_at_work_is_read_by_others(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        assert read_elsewhere(tmp_path / "t.sqlite") == []
        for number, trial in enumerate(TRIALS, start=1):
            store.record(trial)
            assert read_elsewhere(tmp_path / "t.sqlite") == TRIALS[:number]
    assert read_elsewhere(tmp_path / "t.sqlite") == TRIALS


def test_snapshots_take_a_small_part_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 99.0, 100.0, 101.0, 150.0])
    monkeypatch.setattr("rl_nas.store.snapshots.time.monotonic", lambda: next(now))
    with TrialStore(tmp_path / "t.sqlite") as store:  # takes from 0 to 1
        store.record(TRIALS[0])  # at 99
        assert read_elsewhere(tmp_path / "t.sqlite") == []
        store.record(TRIALS[1])  # from 100 to 101
        store.record(TRIALS[2])  # at 150
        assert read_elsewhere(tmp_path / "t.sqlite") == TRIALS[:2]


@pytest.mark.usefixtures("still")
def test_a_killed_run_is_read_from_its_own_files_and_goes_on(tmp_path: Path) -> None:
    """Its snapshot may be older."""
    path = tmp_path / "t.sqlite"
    child = os.fork()
    if not child:
        store = TrialStore(path)
        store.record(TRIALS[0])
        shutil.copyfile(f"{path}-snapshot", tmp_path / "older")
        store.record(TRIALS[1])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.replace(tmp_path / "older", f"{path}-snapshot")
    assert read_trials(path) == TRIALS[:2]
    with TrialStore(path) as store:
        assert store.trials() == TRIALS[:2]
        store.record(TRIALS[2])
    assert read_trials(path) == TRIALS[:3]


def test_a_run_moves_from_another_file_system_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    for number, trial in enumerate(TRIALS):
        with memory_shared() if number % 2 else nullcontext(), TrialStore(path) as store:
            assert store.alone == (number % 2 == 0)
            assert store.trials() == TRIALS[:number]
            store.record(trial)


def test_doctor_tells_it(tmp_path: Path) -> None:
    found = disk(tmp_path)
    assert found.state is State.WARNING
    assert "its file system has no shared memory" in found.text
    with memory_shared():
        assert "shared memory" not in disk(tmp_path).text
