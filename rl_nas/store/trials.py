"""The trials of a run in SQLite: each is on disk before the search continues."""

import json
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self

from rl_nas.admission import admit_failure, admit_measurement, failure_of, one_line, reward_of
from rl_nas.checkpoint import REBUILD, Checkpoint
from rl_nas.errors import StorageError, UsageError, first_line
from rl_nas.regular_files import MIB
from rl_nas.store.files import check_own, storage_errors
from rl_nas.store.run_folder import REMEDY
from rl_nas.store.snapshots import SNAPSHOT, Snapshot, copy_database, is_busy, lacks_shared_memory, snapshot_of
from rl_nas.store.states import pack, unpack
from rl_nas.store.trial_tables import SCHEMA, check_journal, check_tables, migrate
from rl_nas.trial import MOST_TRIALS, ChildError, Failure, Job, Measurement, Trial, TrialState

_MEASURES = tuple(field.name for field in fields(Measurement))
_AS_JSON = ("metrics", "curve")

_LONGEST_TEXT = 2**26
"""Bytes of a text of a trial: 100,000 metrics take half of that."""

_MOST_COPIED = 4096 * MIB
"""Bytes of all trials where they are listed: 100,000 trials with long logs take half of that."""

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

    SQLite shares an index of that log with readers by memory. Where the file system cannot map such memory, the file is
    this process's alone, and readers are given a copy of it, which is made again after trials.

    Args:
        path: the file; created with its tables if absent.
        shown: what messages call it, if it is a copy; None: its path.

    Attributes:
        alone: whether the file system has no shared memory.

    Raises:
        StorageError: the file cannot be written, or is not a database.
        UsageError: it was written by a later rl_nas.
    """

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        self._path, self.alone = shown or path, False
        self._snapshot: Snapshot | None = None
        _check_files(path)
        check_journal(path)
        try:
            self._connect(path)
        except StorageError as error:
            if not lacks_shared_memory(error.__cause__):
                raise
            self.alone = True
            self._connect(path)
            self._snapshot = None if shown else Snapshot(self._connection, path)
            self._show()

    def _connect(self, path: Path) -> None:
        with self._errors():
            self._connection = sqlite3.connect(path)
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        with self._errors():
            if self.alone:
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index is in its own memory
            check_tables(self._connection, self._path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
            if 0 <= schema < SCHEMA:
                migrate(self._connection, schema)
        if schema < 0:
            raise UsageError(f"{self._path} has schema {schema}; expected the trials of a run")
        if schema > SCHEMA:
            raise UsageError(f"{self._path} has schema {schema}, newer than {SCHEMA}; upgrade rl_nas to read it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._connection.close()  # folds the write-ahead log into the file
        if self._snapshot is not None:
            self._snapshot.remove()

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
        self._show()

    def _show(self) -> None:
        if self._snapshot is not None:
            with self._errors():
                self._snapshot.renew()

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
        """All recorded trials, in the order of their numbers.

        Raises:
            UsageError: there are more than a search may have.
        """
        if len(self) > MOST_TRIALS:
            raise UsageError(f"{self._path} has {len(self):,} trials; expected at most {MOST_TRIALS:,}: {REMEDY}")
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


def _remedy(error: Exception) -> str:
    """What to do about a damaged file; nothing about a disk or a lock, of which the error itself tells."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without its details
    damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH)
    return f"; {REMEDY}" if damaged else ""


def read_trials(path: Path) -> list[Trial]:
    """Reads the trials of a run that may be at work or in a read-only folder; changes nothing.

    Raises:
        StorageError: the file cannot be read, or is not a database.
        UsageError: it was written by a later rl_nas, or is too large.
    """
    _check_files(path)
    # A copy with its write-ahead log, as SQLite must write beside a file to read its log.
    with tempfile.TemporaryDirectory() as scratch:
        _check_room(path, Path(scratch))
        copy = Path(scratch) / path.name
        try:
            copy_database(path, copy)
        except sqlite3.Error as error:
            copy.unlink(missing_ok=True)
            shown = snapshot_of(path) if is_busy(error) else None
            with storage_errors(path):
                for file in _copied(path) if shown is None else [shown]:
                    shutil.copyfile(file, copy.with_name(copy.name if file == shown else file.name))
        with TrialStore(copy, path) as store:
            return store.trials()


def _check_files(path: Path) -> None:
    """Raises `UsageError` if a file of trials, or one that SQLite writes beside it, is not a file of the run's own."""
    for file in (path, *(path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm", "journal", SNAPSHOT))):
        check_own(file)


def _copied(path: Path) -> list[Path]:
    """The files that a copy of trials consists of."""
    return [file for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()]


def _check_room(path: Path, scratch: Path) -> None:
    """Raises `UsageError` for trials that are too large to be copied: of a file with holes, the copy has none."""
    with storage_errors(path):
        size, free = sum(file.stat().st_size for file in _copied(path)), shutil.disk_usage(scratch).free
    if size > _MOST_COPIED:
        raise UsageError(f"{path} has {size:,} bytes; expected at most {_MOST_COPIED:,}: {REMEDY}")
    if size > free:
        raise UsageError(
            f"{path} has {size:,} bytes, and is read from a copy, for which {scratch.parent} has {free:,} bytes left;"
            " name a folder with more room by the environment variable TMPDIR"
        )


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
