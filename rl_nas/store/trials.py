"""The trials of a run in SQLite: each is on the disk before the search goes on."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Self

from rl_nas.errors import StorageError, UsageError
from rl_nas.trial import Job, Measurement, Trial, TrialState

SCHEMA = 2
"""Version of the tables, kept in SQLite's user_version."""

_MEASURES = tuple(field.name for field in fields(Measurement))

_CREATE = """
CREATE TABLE trials (
    number       INTEGER PRIMARY KEY,  -- of the trial in the run, from 0
    architecture TEXT NOT NULL,        -- JSON list, one choice per decision of the space
    state        TEXT NOT NULL,        -- ok, or how the child failed
    reward       REAL,                 -- NULL unless ok
    accuracy     REAL,                 -- top-1 on held-out training images, 0 to 1
    loss         REAL,                 -- mean cross-entropy on the same images, nats
    parameters   INTEGER,              -- trainable
    madds        INTEGER,              -- multiply-adds of one image
    epochs       INTEGER,
    seconds      REAL,                 -- wall time
    latency      REAL,                 -- seconds of one image's forward pass, where it was measured
    error        TEXT NOT NULL,        -- one line, empty when ok
    recorded_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT
"""

_INSERT = f"""
INSERT INTO trials (number, architecture, state, reward, error, {", ".join(_MEASURES)})
VALUES ({", ".join("?" * (5 + len(_MEASURES)))})
"""

_SELECT = f"SELECT number, architecture, state, reward, error, {', '.join(_MEASURES)} FROM trials"


class TrialStore:
    """Trials in one SQLite file (write-ahead log, fully synchronous).

    Args:
        path: the file; made with its tables when absent.

    Raises:
        StorageError: the file cannot be written, or is no database.
        UsageError: it was written by a later rl_nas.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            self._connection = sqlite3.connect(path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
            if schema < SCHEMA:
                with self._connection:
                    self._connection.execute("ALTER TABLE trials ADD COLUMN latency REAL" if schema else _CREATE)
                    self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
        if schema > SCHEMA:
            self._connection.close()
            raise UsageError(f"{path} has schema {schema}, newer than {SCHEMA}; upgrade rl_nas to read it")

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
        measures = (None,) * len(_MEASURES) if trial.measurement is None else astuple(trial.measurement)
        row = (trial.index, json.dumps(trial.architecture), trial.state, trial.reward, trial.error, *measures)
        with self._errors(), self._connection:
            self._connection.execute(_INSERT, row)

    def recall(self, jobs: Sequence[Job]) -> dict[int, Trial]:
        """The recorded trials among these jobs, by index.

        Raises:
            UsageError: a recorded trial has another architecture than its job: the run was started by
                another version of rl_nas or of TensorFlow, and its proposals can't be repeated.
        """
        numbers = [job.index for job in jobs]
        marks = ", ".join("?" * len(numbers))
        found = {t.index: t for t in self._select(f"{_SELECT} WHERE number IN ({marks})", numbers)}
        for job in jobs:
            if job.index in found and found[job.index].architecture != job.architecture:
                raise UsageError(
                    f"trial {job.index} of {self._path} has another architecture than the one proposed now; the"
                    " run was made by other versions (see its config.json): continue with those, or start anew"
                )
        return found

    def trials(self) -> list[Trial]:
        """All recorded trials, in the order of their numbers."""
        return self._select(f"{_SELECT} ORDER BY number", [])

    def _select(self, query: str, parameters: Sequence[int]) -> list[Trial]:
        with self._errors():
            return [_read(row) for row in self._connection.execute(query, parameters)]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"trials of the run, {self._path}: {error}") from error


def _read(row: tuple[int, str, str, float | None, str, *tuple[float | None, ...]]) -> Trial:
    number, architecture, state, reward, error, *measures = row
    return Trial(
        index=number,
        architecture=tuple(json.loads(architecture)),
        state=TrialState(state),
        reward=reward,
        measurement=None if reward is None else Measurement(*measures),  # type: ignore[arg-type]
        error=error,
    )
