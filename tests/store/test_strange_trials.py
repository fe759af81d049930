"""A stranger's trials.sqlite: what SQLite would do by itself for it is refused before it is done."""

import os
import shutil
import sqlite3
import struct
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rl_nas.errors import StorageError, UsageError
from rl_nas.store import snapshots, trials
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Failure, Trial, TrialState

BAD = Trial(0, (1, 2), TrialState.NAN, failures=(Failure(TrialState.NAN, "loss is nan"),))
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)"
_MAGIC = bytes.fromhex("d9d505f920a163d7")

PARTS = {
    "a view": (
        "ALTER TABLE trials RENAME TO state",
        f"CREATE VIEW trials AS {ENDLESS} SELECT i AS number, '[]' AS architecture, 'nan' AS state, 0 AS reward,"
        " 0 AS quality, NULL AS metrics, 0 AS parameters, 0 AS madds, 0 AS epochs, 0 AS seconds, 0 AS latency,"
        " NULL AS curve FROM n",
    ),
    "a trigger": (
        f"CREATE TRIGGER trials AFTER INSERT ON trials BEGIN DELETE FROM trials WHERE ({ENDLESS} SELECT sum(i) FROM n);"
        " END",
    ),
    "a column that is computed": (
        "DROP TABLE failures",
        "CREATE TABLE failures (trial INTEGER, attempt INTEGER, state TEXT, error TEXT,"
        " log TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))))",
    ),
    "a check": (
        "DROP TABLE failures",
        "CREATE TABLE failures (trial INTEGER CHECK ('--' || hex(zeroblob(400000000)) || '--'))",
    ),
    "a view with a trigger": (
        "CREATE VIEW best AS SELECT * FROM trials",
        "CREATE TRIGGER state INSTEAD OF INSERT ON best BEGIN DELETE FROM trials; END",
    ),
    "an index that is computed": ("CREATE INDEX state ON trials (hex(number))",),
    "an index with a condition": ("CREATE INDEX state ON trials (number) WHERE hex(zeroblob(4)) IS NULL",),
    "an index of values that differ": ("CREATE UNIQUE INDEX state ON trials (state)",),
    "a reference to a table of a run": (
        "CREATE TABLE notes (id INTEGER REFERENCES checkpoint (id) ON DELETE CASCADE)",
    ),
    # Written past SQLite, whose fts5 may be missing.
    "a virtual table": (
        "PRAGMA writable_schema = ON",
        "INSERT INTO sqlite_schema VALUES ('table', 'error', 'error', 0, 'CREATE VIRTUAL TABLE error USING fts5(log)')",
    ),
}


HARMLESS = (
    "CREATE INDEX by_state ON trials(state, reward DESC)",
    'CREATE INDEX "by attempt" ON failures ("attempt")',
    "CREATE VIEW best AS SELECT number, max(reward) FROM trials",
    "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT UNIQUE CHECK (length(text) > 1))",
    "CREATE UNIQUE INDEX by_text ON notes (hex(text))",
    "INSERT INTO notes (text) VALUES ('of a user')",
    "ANALYZE",
)
"""What a user may do with trials of their own."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with TrialStore(tmp_path / "trials.sqlite") as store:
        store.record(BAD)
    return tmp_path / "trials.sqlite"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("name", PARTS)
def test_other_parts_than_tables_of_a_run(name: str, path: Path) -> None:
    change(path, *PARTS[name])
    before = path.read_bytes()
    for read in (read_trials, TrialStore):
        with pytest.raises(UsageError, match="which is none of a run; remove it, or start another run"):
            read(path)
    assert path.read_bytes() == before


def test_what_a_user_adds_beside_the_tables_of_a_run(path: Path) -> None:
    change(path, *HARMLESS)
    with TrialStore(path) as store:
        store.record(replace(BAD, index=1))
        assert store.trials() == read_trials(path) == [BAD, replace(BAD, index=1)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT tbl FROM sqlite_stat1 WHERE tbl = 'trials'").fetchall()


def test_statistics_are_those_of_sqlite(path: Path) -> None:
    computed = "CREATE TABLE sqlite_stat1(tbl,idx,stat AS (hex(zeroblob(4))))"
    change(
        path,
        "ANALYZE",
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_schema SET sql = '{computed}' WHERE name = 'sqlite_stat1'",
    )
    with pytest.raises(UsageError, match="holds the table sqlite_stat1, which is none of a run"):
        TrialStore(path)


LIES = {
    "an index of another table": "CREATE INDEX best ON trials (hex(number))",
    "a trigger": "CREATE TRIGGER best AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
    "a view in place of a table": "CREATE VIEW trials AS SELECT 1",
    "a virtual table": "CREATE VIRTUAL TABLE best USING fts5(log)",
}
"""What a view `best` is, by its text; SQLite believes that."""


@pytest.mark.parametrize("text", LIES.values(), ids=LIES)
def test_a_part_is_what_its_text_says(text: str, path: Path) -> None:
    change(path, "CREATE VIEW best AS SELECT 1", "PRAGMA writable_schema = ON")
    change(path, "PRAGMA writable_schema = ON", f"UPDATE sqlite_schema SET sql = '{text}' WHERE name = 'best'")
    for read in (read_trials, TrialStore):
        with pytest.raises((UsageError, StorageError)):
            read(path)


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_a_file_that_is_too_large_is_not_copied(path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "closing", pytest.fail)  # of the connection that would copy it
    file = path.with_name(path.name + ending)
    file.touch()
    os.truncate(file, 2**33)
    with pytest.raises(UsageError, match=r"trials\.sqlite has 8,589,9\d+,\d+ bytes; expected at most 4,294,967,296"):
        read_trials(path)
    os.truncate(file, 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**9))
    with pytest.raises(UsageError, match=r"for which .* has 1,000,000,000 bytes left; .* TMPDIR"):
        read_trials(path)


def test_a_journal_that_has_another_file_deleted(path: Path) -> None:
    """The danger is real: SQLite follows it, as for a transaction of several databases."""
    victim, journal = path.with_name("victim"), path.with_name("trials.sqlite-journal")
    name = str(victim).encode()
    header = _MAGIC + struct.pack(">IIIII", 0, 0, path.stat().st_size // 4096, 512, 4096)
    end = struct.pack(">I", 2**30 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + _MAGIC
    victim.write_text("precious")
    journal.write_bytes(header.ljust(512, b"\0") + end)
    with pytest.raises(UsageError, match="names another file, which SQLite would delete; delete the journal"):
        TrialStore(path)
    assert read_trials(path) == [BAD]  # of a copy without it
    assert victim.exists()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT * FROM trials")
    assert not victim.exists()


def test_a_journal_of_a_killed_start_is_applied(path: Path) -> None:
    header = _MAGIC + struct.pack(">IIIII", 0, 0, path.stat().st_size // 4096, 512, 4096)
    path.with_name("trials.sqlite-journal").write_bytes(header.ljust(512, b"\0"))
    with TrialStore(path) as store:
        assert store.trials() == [BAD]


@pytest.mark.parametrize("schema", [-1, -(2**31)])
def test_a_schema_that_is_none(schema: int, path: Path) -> None:
    change(path, f"PRAGMA user_version = {schema}")
    with pytest.raises(UsageError, match=f"has schema {schema}; expected the trials of a run"):
        read_trials(path)


def test_texts_are_bounded_and_states_are_not(path: Path) -> None:
    change(path, "INSERT INTO checkpoint (id, updates, trials, state) VALUES (1, 0, 0, zeroblob(70000000))")
    with TrialStore(path) as store:
        assert store.trials() == [BAD]
        with pytest.raises(StorageError, match="not a NumPy archive"):
            store.checkpoint()
    change(path, "UPDATE failures SET log = CAST(zeroblob(70000000) AS TEXT)")
    with pytest.raises(StorageError, match="too big"):
        read_trials(path)


def test_more_trials_than_a_search_may_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row takes some bytes of a file, and far more in memory."""
    with TrialStore(tmp_path / "trials.sqlite") as store:
        for number in range(3):
            store.record(replace(BAD, index=number))
    monkeypatch.setattr(trials, "MOST_TRIALS", 3)
    assert len(read_trials(tmp_path / "trials.sqlite")) == 3
    monkeypatch.setattr(trials, "MOST_TRIALS", 2)
    with pytest.raises(UsageError, match="has 3 trials; expected at most 2: restore the file"):
        read_trials(tmp_path / "trials.sqlite")
