"""The tables of trials.sqlite, of all versions, and what a file that may be a stranger's can hold beside them."""

import re
import sqlite3
from pathlib import Path

from rl_nas.admission import one_line
from rl_nas.errors import UsageError
from rl_nas.store.files import storage_errors

SCHEMA = 6
"""Version of the tables, kept in SQLite's user_version."""

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
    tflite_size  INTEGER,              -- bytes of the exported model, where it was measured
    peak_memory  INTEGER,              -- estimated bytes of activations of one image, where it was asked for
    recorded_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT
"""
_FAILURES = """
CREATE TABLE failures (
    trial   INTEGER NOT NULL REFERENCES trials (number),
    attempt INTEGER NOT NULL,          -- from 1; an ok trial may have failed before
    state   TEXT NOT NULL,             -- invalid, over_limit, nan, oom, timeout, crashed, interrupted
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
    5: ("ALTER TABLE trials ADD COLUMN tflite_size INTEGER", "ALTER TABLE trials ADD COLUMN peak_memory INTEGER"),
}
"""Schema -> statements that migrate to the next one; an empty file's, 0, migrates to the present one."""

_WORD, _COMMENT = re.compile(r"\w+|[^\w\s(),=]"), re.compile(r"'[^']*'|--[^\n]*")
_TABLES = ("trials", "failures", "checkpoint")
_INDEX = re.compile(r'CREATE INDEX (\w+|"[^"]*") ON "?\w+"? *\([\w ,"]*\)', re.IGNORECASE)
"""An index of columns alone: without expressions, conditions, or a claim that values differ."""
_BY_SQLITE = (
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
    "CREATE TABLE sqlite_sequence(name,seq)",
)
"""Tables that SQLite makes for ANALYZE and for keys that count up."""
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""The end of a journal that names another file."""


def migrate(connection: sqlite3.Connection, schema: int) -> None:
    """Brings a file's tables from a schema to the present one."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # Python begins none before statements that define tables
        while schema < SCHEMA:
            for statement in _MIGRATIONS[schema]:
                connection.execute(statement)
            schema = schema + 1 if schema else SCHEMA
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


def check_journal(path: Path) -> None:
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


def check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `UsageError` for a database in which SQLite would do more for a run than read and write its tables.

    Triggers, virtual tables, references to a run's tables, views in their place, and columns, checks or indexes of them
    that are computed may never end, or change what is written. Of other tables, their indexes and views nothing is
    read.
    """
    for kind, name, table, text in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"):
        if not _is_harmless(kind, str(table).lower(), text):
            raise UsageError(
                f"{path} holds the {one_line(str(kind))} {one_line(str(name))}, which is none of a run; remove it, or"
                " start another run"
            )


def _is_harmless(kind: str, table: str, text: object) -> bool:
    """Whether a part of a database, of a table or a view, does nothing by itself to the tables of a run.

    SQLite refuses kinds and names that are not those of the text; texts of honest files begin as it writes them.
    """
    if not isinstance(text, str):
        return kind == "index" and text is None  # that of a key
    if table in _TABLES:
        return _words(text) <= _KNOWN if kind == "table" else kind == "index" and bool(_INDEX.fullmatch(text))
    if kind == "table":
        plain = text.startswith("CREATE TABLE ") and "references" not in text.lower()
        return text in _BY_SQLITE or (plain and not table.startswith("sqlite_"))
    return kind in ("index", "view")


def _words(statement: str) -> set[str]:
    """Names, words and signs of an SQL statement without its comments and texts."""
    return set(_WORD.findall(_COMMENT.sub(" ", statement)))


_EARLIER = "CREATE TABLE trials (accuracy REAL, loss REAL, error TEXT)"
_KNOWN = _words(" ".join((_TRIALS, _FAILURES, _CHECKPOINT, _EARLIER)))
