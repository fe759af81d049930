"""The trials of a run in SQLite: each is on disk before the search continues."""

import json
import math
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self

from rl_nas.admission import admit_failure, admit_measurement, failure_of, one_line, reward_of
from rl_nas.checkpoint import REBUILD, Checkpoint
from rl_nas.errors import StorageError, UsageError, first_line
from rl_nas.store.files import check_own, storage_errors
from rl_nas.store.run_folder import REMEDY
from rl_nas.store.states import pack, unpack
from rl_nas.trial import ChildError, Failure, Job, Measurement, Trial, TrialState

SCHEMA = 5
"""Version of the tables, kept in SQLite's user_version."""

_MEASURES = tuple(field.name for field in fields(Measurement))
_AS_JSON = ("metrics", "curve")

_TRIALS = """
CREATE TABLE trials (
    number       INTEGER PRIMARY KEY,  -- of the trial in the run, from 0
    architecture TEXT NOT NULL,        -- JSON list, one choice per decision of the space
    state        TEXT NOT NULL,        -- ok, or how the child failed
    reward       REAL,                 -- NULL unless ok
    quality      REAL,                 -- the metric that the reward is made of, on held-out training images
    metrics      TEXT,                 -- JSON object, all figures of the task on the same images
    parameters   INTEGER,              -- trainable
    madds        INTEGER,              -- multiply-adds of one image
    epochs       INTEGER,
    seconds      REAL,                 -- wall time
    latency      REAL,                 -- seconds of one image's forward pass, where it was measured
    curve        TEXT,                 -- JSON list, quality after each epoch, where it was measured
    recorded_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT
"""
_FAILURES = """
CREATE TABLE failures (
    trial   INTEGER NOT NULL REFERENCES trials (number),
    attempt INTEGER NOT NULL,          -- from 1; an ok trial may have failed before
    state   TEXT NOT NULL,             -- invalid, nan, oom, timeout, crashed, interrupted
    error   TEXT NOT NULL,             -- one line
    log     TEXT NOT NULL,             -- the last lines that the child printed
    PRIMARY KEY (trial, attempt)
) STRICT
"""
_CHECKPOINT = """
CREATE TABLE checkpoint (
    id      INTEGER PRIMARY KEY CHECK (id = 1),  -- there is one at most
    updates INTEGER NOT NULL,          -- of the strategy
    trials  INTEGER NOT NULL,          -- that it knows
    state   BLOB NOT NULL,             -- rl_nas.store.states
    saved_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT
"""
_MIGRATIONS = {
    0: (_TRIALS, _FAILURES, _CHECKPOINT),
    1: ("ALTER TABLE trials ADD COLUMN latency REAL",),
    2: (
        _FAILURES,
        _CHECKPOINT,
        "INSERT INTO failures SELECT number, 1, state, error, '' FROM trials WHERE state != 'ok'",
        "ALTER TABLE trials DROP COLUMN error",
    ),
    3: ("ALTER TABLE trials ADD COLUMN curve TEXT",),
    4: (
        "ALTER TABLE trials RENAME COLUMN accuracy TO quality",
        "ALTER TABLE trials ADD COLUMN metrics TEXT",
        "UPDATE trials SET metrics = json_object('accuracy', quality, 'loss', loss) WHERE quality IS NOT NULL",
        "ALTER TABLE trials DROP COLUMN loss",
    ),
}
"""Schema -> statements that migrate to the next one; an empty file's, 0, migrates to the present one."""

_WORD, _COMMENT = re.compile(r"\w+|[^\w\s(),=]"), re.compile(r"'[^']*'|--[^\n]*")
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""The end of a journal that names another file."""
_LONGEST_TEXT = 2**26
"""Bytes of a text of a trial: 100,000 metrics take half of that."""

_INSERT = f"""
INSERT INTO trials (number, architecture, state, reward, {", ".join(_MEASURES)})
VALUES ({", ".join("?" * (4 + len(_MEASURES)))})
"""
_INSERT_FAILURE = "INSERT INTO failures (trial, attempt, state, error, log) VALUES (?, ?, ?, ?, ?)"

_FORGET = "DELETE FROM checkpoint"
_SAVE = "INSERT INTO checkpoint (id, updates, trials, state) VALUES (1, ?, ?, ?)"

_SELECT = f"SELECT number, architecture, state, reward, {', '.join(_MEASURES)} FROM trials"
_SELECT_FAILURES = "SELECT trial, state, error, log FROM failures"


class TrialStore:
    """Trials in one SQLite file (write-ahead log, fully synchronous).

    Args:
        path: the file; created with its tables if absent.

    Raises:
        StorageError: the file cannot be written, or is not a database.
        UsageError: it was written by a later rl_nas.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        for file in (path, *_logs(path)):
            check_own(file)
        _check_journal(path)
        with self._errors():
            self._connection = sqlite3.connect(path)
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        with self._errors():
            _check_tables(self._connection, self._path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
            if 0 <= schema < SCHEMA:
                self._migrate(schema)
        if schema < 0:
            raise UsageError(f"{self._path} has schema {schema}; expected the trials of a run")
        if schema > SCHEMA:
            raise UsageError(f"{self._path} has schema {schema}, newer than {SCHEMA}; upgrade rl_nas to read it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._connection.close()  # folds the write-ahead log into the file

    def __len__(self) -> int:
        with self._errors():
            (count,) = self._connection.execute("SELECT count(*) FROM trials").fetchone()
        return int(count)

    def record(self, trial: Trial) -> None:
        """Commits a finished trial.

        Raises:
            StorageError: it could not be written; the earlier trials are safe.
        """
        measures = (None,) * len(_MEASURES) if trial.measurement is None else _row(trial.measurement)
        row = (trial.index, json.dumps(trial.architecture), trial.state, trial.reward, *measures)
        failures = [
            (trial.index, attempt, failure.state, failure.error, failure.log)
            for attempt, failure in enumerate(trial.failures, start=1)
        ]
        with self._errors(), self._connection:
            self._connection.execute(_INSERT, row)
            self._connection.executemany(_INSERT_FAILURE, failures)

    def recall(self, jobs: Sequence[Job]) -> dict[int, Trial]:
        """The recorded trials among these jobs, by index.

        Raises:
            UsageError: a recorded trial has another architecture than its job: the run was started by
                another version of rl_nas or of TensorFlow, and its proposals can't be repeated.
        """
        numbers = [job.index for job in jobs]
        found = {trial.index: trial for trial in self._select(f"IN ({', '.join('?' * len(numbers))})", numbers)}
        for job in jobs:
            if job.index in found and found[job.index].architecture != job.architecture:
                raise UsageError(
                    f"trial {job.index} of {self._path} has another architecture than the one proposed now; the"
                    " run was made by other versions (see its config.json): continue with those, or start again"
                )
        return found

    def save(self, checkpoint: Checkpoint) -> None:
        """Commits a checkpoint, replacing the last one.

        Raises:
            StorageError: it could not be written; the last one is safe.
        """
        row = (checkpoint.updates, checkpoint.trials, pack(checkpoint.state))
        with self._errors(), self._connection:
            # First, so that the new state takes the last one's place in the file: REPLACE keeps room for both.
            self._connection.execute(_FORGET)
            self._connection.execute(_SAVE, row)

    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint of the run.

        Raises:
            StorageError: it is damaged.
        """
        try:
            row = self._connection.execute("SELECT updates, trials, state FROM checkpoint").fetchone()
            return None if row is None else Checkpoint(row[0], row[1], unpack(row[2]))
        except Exception as error:  # it may be damaged in any way
            raise StorageError(f"checkpoint of the run, {self._path}: {one_line(str(error))}; {REBUILD}") from error

    def forget(self) -> None:
        """Deletes the checkpoint: the strategy is to be shown all trials again."""
        with self._errors(), self._connection:
            self._connection.execute(_FORGET)

    def trials(self) -> list[Trial]:
        """All recorded trials, in the order of their numbers."""
        return self._select(">= 0", [])

    def _select(self, numbers: str, parameters: Sequence[int]) -> list[Trial]:
        failures: dict[int, list[Failure]] = {}
        with (
            self._short_texts(),
            self._errors(ValueError, TypeError, RecursionError, ChildError),
        ):  # of values that are not a run's
            query = f"{_SELECT_FAILURES} WHERE trial {numbers} ORDER BY trial, attempt"
            for trial, state, error, log in self._connection.execute(query, parameters):
                failures.setdefault(trial, []).append(admit_failure(state, error, log))
            query = f"{_SELECT} WHERE number {numbers} ORDER BY number"
            return [_read(row, failures.get(row[0], ())) for row in self._connection.execute(query, parameters)]

    def _migrate(self, schema: int) -> None:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")  # Python begins none before statements that define tables
            while schema < SCHEMA:
                for statement in _MIGRATIONS[schema]:
                    self._connection.execute(statement)
                schema = schema + 1 if schema else SCHEMA
            self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _short_texts(self) -> Iterator[None]:
        """Texts that are read are bounded; states may be longer."""
        most = self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_TEXT)
        try:
            yield
        finally:
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)

    @contextmanager
    def _errors(self, *others: type[Exception]) -> Iterator[None]:
        caught: tuple[type[Exception], ...] = (sqlite3.Error, *others)
        try:
            yield
        except caught as error:
            met = f"{one_line(first_line(error))}{_remedy(error)}"
            raise StorageError(f"trials of the run, {self._path}: {met}") from error


def _logs(path: Path) -> list[Path]:
    """The files that SQLite writes beside its own."""
    return [path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm", "journal")]


def _check_journal(path: Path) -> None:
    """Raises `UsageError` for a journal that names another file, which SQLite would delete; a run's never do."""
    journal = path.with_name(f"{path.name}-journal")
    with storage_errors(journal):
        if not journal.exists():
            return
        with journal.open("rb") as file:
            file.seek(max(0, journal.stat().st_size - len(_SUPER_JOURNAL)))
            end = file.read(len(_SUPER_JOURNAL))
    if end == _SUPER_JOURNAL:
        raise UsageError(f"{journal} names another file, which SQLite would delete; delete the journal")


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `UsageError` for a database with other parts than the tables of a run.

    Views, triggers, virtual tables and columns that are computed may never end, or change what is written.
    """
    for kind, name, text in connection.execute("SELECT type, name, sql FROM sqlite_schema"):
        automatic = kind == "index" and text is None
        if not automatic and not (kind == "table" and isinstance(text, str) and _words(text) <= _KNOWN):
            raise UsageError(
                f"{path} holds the {one_line(str(kind))} {one_line(str(name))}, which is none of a run; remove it, or"
                " start another run"
            )


def _words(statement: str) -> set[str]:
    """Names, words and signs of an SQL statement without its comments and texts."""
    return set(_WORD.findall(_COMMENT.sub(" ", statement)))


_EARLIER = "CREATE TABLE trials (accuracy REAL, loss REAL, error TEXT)"
_KNOWN = _words(" ".join((_TRIALS, _FAILURES, _CHECKPOINT, _EARLIER)))


def _remedy(error: Exception) -> str:
    """What to do about a damaged file; nothing about a disk or a lock, of which the error itself tells."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without its details
    damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH)
    return f"; {REMEDY}" if damaged else ""


def read_trials(path: Path) -> list[Trial]:
    """Reads the trials of a run that may be at work or in a read-only folder; changes nothing.

    Raises:
        StorageError: the file cannot be read, or is not a database.
        UsageError: it was written by a later rl_nas.
    """
    for file in (path, *_logs(path)):
        check_own(file)
    # A copy with its write-ahead log, as SQLite must write beside a file to read its log.
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.name
        try:
            address = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
        except sqlite3.Error:
            copy.unlink(missing_ok=True)
            with storage_errors(path):
                for file in (path, path.with_name(f"{path.name}-wal")):
                    if file.exists():
                        shutil.copyfile(file, copy.with_name(file.name))
        with TrialStore(copy) as store:
            return store.trials()


def _row(measurement: Measurement) -> tuple[Any, ...]:
    values = {name: getattr(measurement, name) for name in _MEASURES}
    values |= {name: json.dumps(values[name]) if values[name] else None for name in _AS_JSON}
    return tuple(values.values())


def _read(row: tuple[Any, ...], failures: Sequence[Failure]) -> Trial:
    """The trial of a row; one that was recorded with a reward that is not finite has failed.

    Raises:
        ChildError: its figures are not those of a measurement.
    """
    number, text, state, recorded, *measures = row
    architecture = json.loads(text)
    if not isinstance(architecture, list) or not all(type(choice) is int for choice in [number, *architecture]):
        raise ValueError(f"the architecture of trial {number} is {text}; expected a list of choices")
    trial = Trial(number, tuple(architecture), TrialState.CRASHED, failures=tuple(failures))
    if state != TrialState.OK:
        return replace(trial, state=TrialState(state))
    value = math.nan if recorded is None else recorded  # SQLite keeps NaN as NULL
    try:
        measurement = _measurement(measures)
        return replace(
            trial, state=TrialState.OK, reward=reward_of(measurement, lambda _: value), measurement=measurement
        )
    except ChildError as error:
        if error.state is not TrialState.NAN:
            raise
        return replace(trial, state=TrialState.NAN, failures=(*trial.failures, failure_of(error)))


def _measurement(measures: Sequence[Any]) -> Measurement:
    figures = dict(zip(_MEASURES, measures, strict=True))
    figures |= {name: json.loads(figures[name]) for name in _AS_JSON if figures[name]}
    return admit_measurement({name: value for name, value in figures.items() if value is not None})
