"""The trials table and the run folder."""

import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from classifying import measured

from rl_nas.checkpoint import Checkpoint
from rl_nas.errors import StorageError, UsageError
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store import trial_tables
from rl_nas.store.best_child import BestChild, ChildWeights
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Failure, Job, Measurement, Trial, TrialState

MEASUREMENT = Measurement.of({"accuracy": 0.5, "loss": 1.25}, parameters=10, madds=20, epochs=3, seconds=1.5)
GOOD = Trial(0, (1, 2), TrialState.OK, 0.5, MEASUREMENT)
BAD = Trial(1, (3, 4), TrialState.NAN, failures=(Failure(TrialState.NAN, "loss is nan"),))


def reward(measurement: Measurement) -> float:
    return measurement.quality


class FakeVariable:
    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self.value = path, value

    def numpy(self) -> np.ndarray:
        return self.value

    def assign(self, value: np.ndarray) -> None:
        self.value = value


class FakeModel:
    def __init__(self, weights: Sequence[np.ndarray] = ()) -> None:
        self.weights = [FakeVariable(f"layer{number}/kernel", value) for number, value in enumerate(weights)]


def test_trials_come_back_as_they_were(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        store.record(BAD)
    with TrialStore(tmp_path / "t.sqlite") as store:
        assert store.trials() == [GOOD, BAD]
        assert store.recall([Job(1, (3, 4), 0), Job(2, (5, 6), 0)]) == {1: BAD}


def test_a_recorded_trial_is_seen_by_another_connection_at_once(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        other = sqlite3.connect(tmp_path / "t.sqlite")
        assert other.execute("SELECT number, quality FROM trials").fetchall() == [(0, 0.5)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()


def test_other_proposals_than_recorded_are_told(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        with pytest.raises(UsageError, match="another architecture"):
            store.recall([Job(0, (9, 9), 0)])


def test_what_a_log_that_was_cut_still_holds_is_kept(tmp_path: Path) -> None:
    """As after a machine that lost its power: a prefix of the trials, and the run goes on."""
    recorded = [Trial(i, (i,), TrialState.OK, 0.5, MEASUREMENT) for i in range(6)]
    kept = set()
    with TrialStore(tmp_path / "t.sqlite") as store:
        for trial in recorded:
            store.record(trial)
        log = (tmp_path / "t.sqlite-wal").read_bytes()
        for cut in range(0, len(log), 1500):
            folder = tmp_path / str(cut)
            folder.mkdir()
            shutil.copyfile(tmp_path / "t.sqlite", folder / "t.sqlite")
            (folder / "t.sqlite-wal").write_bytes(log[:cut])
            with TrialStore(folder / "t.sqlite") as broken:
                found = broken.trials()
                assert found == recorded[: len(found)]
                broken.record(Trial(len(found), (9,), TrialState.OK, 0.5, MEASUREMENT))
            kept.add(len(found))
    assert {0, 3, 5} <= kept


@pytest.mark.skipif(os.name != "posix", reason="about permissions of POSIX")
def test_a_folder_that_may_not_be_written_is_told_and_still_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with TrialStore(tmp_path / "run" / "t.sqlite") as store:
        store.record(GOOD)
        store.record(BAD)
        # A copy made while the run was at work: its last trials are in the log alone.
        shutil.copytree(tmp_path / "run", tmp_path / "at_work")
    for folder in (tmp_path / "run", tmp_path / "at_work"):
        with nobody(folder):
            assert read_trials(folder / "t.sqlite") == [GOOD, BAD]
            with pytest.raises(StorageError, match=r"t\.sqlite: (attempt to write a readonly|unable to open)"):
                write(folder / "t.sqlite")
        assert read_trials(folder / "t.sqlite") == [GOOD, BAD]


def write(path: Path) -> None:
    with TrialStore(path) as store:
        store.record(Trial(2, (5, 6), TrialState.OK, 0.5, MEASUREMENT))


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """A user who may read a folder, and not write to it; permissions do not hold back root."""
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o005:
            parent.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_checkpoints_replace_each_other(tmp_path: Path) -> None:
    states = [{"rng": np.random.default_rng(i).bit_generator.state, "x": [np.arange(i), (1, None)]} for i in range(3)]
    with TrialStore(tmp_path / "t.sqlite") as store:
        assert store.checkpoint() is None
        for number, state in enumerate(states):
            store.save(Checkpoint(number, 4 * number, state))
    with TrialStore(tmp_path / "t.sqlite") as store:
        found = store.checkpoint()
        assert (found.updates, found.trials) == (2, 8)
        assert found.state["rng"] == states[2]["rng"]
        assert found.state["x"][0].tolist() == [0, 1]
        assert found.state["x"][1] == [1, None]


def test_the_file_has_room_for_one_state(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        for number in range(5):
            size = 500_000 + 10_000 * number
            store.save(Checkpoint(number, number, {"x": np.zeros(size, np.uint8)}))
    assert size < (tmp_path / "t.sqlite").stat().st_size < 1.2 * size


def test_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.savez(content, **{"state.json": np.array([print], object)})  # pickled
    for state in (content.getvalue(), b"noise", b""):
        with TrialStore(tmp_path / "t.sqlite") as store:
            store._connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, 0, 0, ?, '')", [state])
            with pytest.raises(StorageError, match="checkpoint of the run"):
                store.checkpoint()


def test_a_trial_is_never_overwritten(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        with pytest.raises(StorageError, match="UNIQUE"):
            store.record(GOOD)
        assert store.trials() == [GOOD]


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ("reward = NULL", "nan", "its reward is nan; expected"),
        ("reward = 9e999", "nan", "its reward is inf; expected"),
        ("""metrics = '{"accuracy": NaN}'""", "nan", "accuracy nan; expected"),
        ("seconds = NULL", "ok", ""),
    ],
)
def test_a_number_that_was_not_finite_is_a_failure_of_its_trial_alone(
    tmp_path: Path, change: str, state: str, reason: str
) -> None:
    """Earlier versions recorded such rewards; SQLite keeps NaN as NULL."""
    with TrialStore(tmp_path / "t.sqlite") as store:
        for index in range(3):
            store.record(replace(GOOD, index=index))
        store._connection.execute(f"UPDATE trials SET {change} WHERE number = 1")
        store._connection.commit()
    found = read_trials(tmp_path / "t.sqlite")
    assert (found[0], found[2]) == (GOOD, replace(GOOD, index=2))
    assert found[1].state == state
    assert reason in found[1].error


@pytest.mark.parametrize(
    "change",
    [
        "seconds = 9e999",
        "parameters = -1",
        "quality = NULL",
        """metrics = '{"reward": 1}'""",
        """metrics = '{"accuracy": "high"}'""",
        "metrics = '[1, 2]'",
        "metrics = '{\"' || printf('%.*c', 300, 'x') || '\": 1}'",
        "metrics = '\x1b[2J'",
        "curve = '\"abc\"'",
        "architecture = '{\"1\": 2}'",
        "architecture = '[[1]]'",
        "architecture = '[\"\x1b[2J\"]'",
        "architecture = " + "'" + "[" * 10_000 + "'",
        "state = 'great'",
    ],
)
def test_a_record_that_is_none_of_a_trial_is_one_line_that_names_the_file(tmp_path: Path, change: str) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        store._connection.execute(f"UPDATE trials SET {change}")
        store._connection.commit()
    with pytest.raises(StorageError, match=r"trials of the run, .*t\.sqlite: ") as caught:
        read_trials(tmp_path / "t.sqlite")
    assert str(caught.value).isprintable()


def test_names_and_texts_of_a_stranger_cannot_steer_a_terminal(tmp_path: Path) -> None:
    metrics, log = json.dumps({"\x1b[2J'; DROP TABLE trials": 1}), "\x1b]0;title\x07\n\tred"
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(replace(BAD, index=0, failures=(Failure(TrialState.NAN, "\x1b[31m", log),)))
        store.record(replace(GOOD, index=1))
        store._connection.execute("UPDATE trials SET metrics = ? WHERE number = 1", [metrics])
        store._connection.commit()
    failed, good = read_trials(tmp_path / "t.sqlite")
    assert failed.failures == (Failure(TrialState.NAN, "\\x1b[31m", "\\x1b]0;title\\x07\n\tred"),)
    assert list(good.measurement.metrics) == ["\\x1b[2J'; DROP TABLE trials"]


def test_later_schema_and_no_database(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "later.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match="newer"):
        TrialStore(tmp_path / "later.sqlite")
    (tmp_path / "noise.sqlite").write_bytes(b"noise" * 1000)
    with pytest.raises(StorageError, match="not a database"):
        TrialStore(tmp_path / "noise.sqlite")


def test_run_folder_refuses_what_is_there(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path / "run")
    folder.check_new()
    folder.create({"flags": {}}, "")
    with pytest.raises(UsageError, match="--resume"):
        SearchFolder(tmp_path / "run").check_new()
    with pytest.raises(UsageError, match="in use"):
        SearchFolder(tmp_path / "run").reopen()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(UsageError, match="other files"):
        SearchFolder(tmp_path / "other").check_new()
    with pytest.raises(UsageError, match="no run to resume"):
        SearchFolder(tmp_path / "absent").reopen()
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="not a writable folder"):
        SearchFolder(tmp_path / "file" / "run").check_new()


def test_best_child_has_its_weights_and_a_valid_genotype_at_every_moment(tmp_path: Path) -> None:
    folder, space = SearchFolder(tmp_path / "run"), nasnet(1)
    folder.create({}, "")
    best, architecture = BestChild(folder, space.decode), (0,) * len(space.decisions)
    workers = [ChildWeights(folder, reward) for _ in range(2)]
    recorded = []
    for index, accuracy in enumerate([0.3, 0.7, 0.5, 0.7, 0.9, 0.9, 0.8]):
        measurement = measured(accuracy)
        workers[index % 2].keep(Job(index, architecture, 0), measurement, FakeModel())
        recorded.append(Trial(index, architecture, TrialState.OK, accuracy, measurement))
    seen: list[Trial] = []
    for trial in [recorded[i] for i in (1, 0, 3, 2, 5, 4, 6)]:  # as they happen to arrive
        best.follow(trial)
        seen.append(trial)
        assert best.trial == max(seen, key=lambda t: (t.reward, -t.index))
        assert best.weights.exists()
        document = json.loads((folder.best / "genotype.json").read_text())
        assert document["found_by"]["trial"] == best.trial.index
    assert best.trial == recorded[4]  # the earlier of equals
    assert sorted(path.name for path in folder.children.iterdir()) == [f"{i}.weights.npz" for i in range(7)]
    (folder.children / "9.weights.npz").touch()  # of a child that was being trained when the run was killed
    restored = BestChild(folder, space.decode)
    restored.restore(recorded[:4])
    assert restored.trial == recorded[1]
    assert not any(folder.children.glob("9.*"))


def test_weights_come_back_by_name_with_their_types(tmp_path: Path) -> None:
    folder, space = SearchFolder(tmp_path / "run"), nasnet(1)
    folder.create({}, "")
    best = BestChild(folder, space.decode)
    weights = [np.full((i, 2), i, np.float32 if i % 2 else np.int64) for i in range(12)]
    architecture = (0,) * len(space.decisions)
    ChildWeights(folder, reward).keep(Job(0, architecture, 0), MEASUREMENT, FakeModel(weights))
    best.follow(Trial(0, architecture, TrialState.OK, 0.5, MEASUREMENT))
    other = FakeModel([np.zeros(1)] * 11)  # one weight fewer, as a model without its auxiliary head
    best.load_weights(other)
    assert [(w.value.dtype, w.value.tolist()) for w in other.weights] == [(w.dtype, w.tolist()) for w in weights[:11]]


COLUMNS = (
    "number INTEGER PRIMARY KEY, architecture TEXT NOT NULL, state TEXT NOT NULL, reward REAL, accuracy REAL,"
    " loss REAL, parameters INTEGER, madds INTEGER, epochs INTEGER, seconds REAL{more},"
    " recorded_at TEXT NOT NULL DEFAULT ''"
)
MORE = {
    1: ", error TEXT NOT NULL",
    2: ", latency REAL, error TEXT NOT NULL",
    3: ", latency REAL",
    4: ", latency REAL, curve TEXT",
}
"""Columns that tables of each schema have besides."""
FAILURES = (
    "trial INTEGER NOT NULL REFERENCES trials (number), attempt INTEGER NOT NULL, state TEXT NOT NULL,"
    " error TEXT NOT NULL, log TEXT NOT NULL, PRIMARY KEY (trial, attempt)"
)


def make_tables(path: Path, schema: int) -> None:
    """Two trials, one of which failed, as an earlier version recorded them."""
    rows: list[dict[str, object]] = [
        {"number": 0, "architecture": "[1, 2]", "state": "ok", "reward": 0.5, "accuracy": 0.5, "loss": 1.25}
        | {"parameters": 10, "madds": 20, "epochs": 3, "seconds": 1.5},
        {"number": 1, "architecture": "[3, 4]", "state": "nan"},
    ]
    if schema < 3:
        for row, error in zip(rows, ("", "loss is nan"), strict=True):
            row["error"] = error
    if schema == 4:
        rows[0]["curve"] = "[0.25, 0.5]"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE trials ({COLUMNS.format(more=MORE[schema])}) STRICT")
        if schema > 2:
            connection.execute(f"CREATE TABLE failures ({FAILURES}) STRICT")
            connection.execute("INSERT INTO failures VALUES (1, 1, 'nan', 'loss is nan', '')")
            connection.execute(
                "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), updates INTEGER NOT NULL,"
                " trials INTEGER NOT NULL, state BLOB NOT NULL, saved_at TEXT NOT NULL DEFAULT '') STRICT"
            )
        for row in rows:
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO trials ({', '.join(row)}) VALUES ({places})", [*row.values()])
        connection.execute(f"PRAGMA user_version = {schema}")


@pytest.mark.parametrize("schema", MORE)
def test_tables_of_earlier_versions_are_read_and_go_on(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "t.sqlite"
    make_tables(path, schema)
    curve = (0.25, 0.5) if schema == 4 else ()
    good = replace(GOOD, measurement=replace(MEASUREMENT, curve=curve))
    drawn = Trial(2, (5, 6), TrialState.OK, 0.5, replace(MEASUREMENT, curve=(0.125, 0.5)), BAD.failures)
    assert read_trials(path) == [good, BAD]  # of a copy: the file stays as it is
    for _ in range(2):
        with TrialStore(path) as store:
            assert store.trials()[:2] == [good, BAD]
            if len(store) == 2:
                store.record(drawn)
            assert store.trials()[2] == drawn
            store.save(Checkpoint(1, 3, {"weights": 2}))
    with closing(sqlite3.connect(path)) as connection:
        fresh = tmp_path / "fresh.sqlite"
        TrialStore(fresh).__exit__()
        names = [row[1] for row in connection.execute("PRAGMA table_info(trials)")]
        with closing(sqlite3.connect(fresh)) as other:
            assert set(names) == {row[1] for row in other.execute("PRAGMA table_info(trials)")}


def test_a_migration_happens_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE trials ({COLUMNS.format(more=MORE[1])}) STRICT")
        connection.execute("PRAGMA user_version = 1")
    before = connection.execute("SELECT sql FROM sqlite_schema").fetchall()
    connection.close()
    broken = {**trial_tables._MIGRATIONS, 2: (*trial_tables._MIGRATIONS[2][:2], "no SQL")}
    monkeypatch.setattr(trial_tables, "_MIGRATIONS", broken)
    with pytest.raises(StorageError, match="syntax error"):
        TrialStore(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT sql FROM sqlite_schema").fetchall() == before
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
