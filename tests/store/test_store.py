"""The trials table and the run folder."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rl_nas.errors import StorageError, UsageError
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.best_child import BestChild
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Job, Measurement, Trial, TrialState

MEASUREMENT = Measurement(accuracy=0.5, loss=1.25, parameters=10, madds=20, epochs=3, seconds=1.5)
GOOD = Trial(0, (1, 2), TrialState.OK, 0.5, MEASUREMENT)
BAD = Trial(1, (3, 4), TrialState.NAN, error="loss is nan")


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
        assert other.execute("SELECT number, accuracy FROM trials").fetchall() == [(0, 0.5)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()


def test_other_proposals_than_recorded_are_told(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        with pytest.raises(UsageError, match="another architecture"):
            store.recall([Job(0, (9, 9), 0)])


def test_a_trial_is_never_overwritten(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t.sqlite") as store:
        store.record(GOOD)
        with pytest.raises(StorageError, match="UNIQUE"):
            store.record(GOOD)
        assert store.trials() == [GOOD]


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
    best = BestChild(folder, space.decode, lambda measurement: measurement.accuracy)
    trials = []
    for index, accuracy in enumerate([0.3, 0.7, 0.5, 0.7, 0.9]):
        measurement = Measurement(accuracy, 1.0, 1, 1, 1, 1.0)
        architecture = (0,) * len(space.decisions)
        best.keep(Job(index, architecture, 0), measurement, FakeModel())
        trials.append(Trial(index, architecture, TrialState.OK, accuracy, measurement))
        best.follow(trials[-1])
        assert best.weights.exists()
        document = json.loads((folder.best / "genotype.json").read_text())
        assert document["found_by"]["trial"] == best.trial.index
    assert best.trial == trials[4]
    assert [path.name for path in folder.children.iterdir()] == ["4.weights.npz"]
    restored = BestChild(folder, space.decode, lambda measurement: measurement.accuracy)
    restored.restore(trials[:4])
    assert restored.trial == trials[1]  # the earlier of equals, as following them gives


def test_weights_come_back_by_name_with_their_types(tmp_path: Path) -> None:
    folder, space = SearchFolder(tmp_path / "run"), nasnet(1)
    folder.create({}, "")
    best = BestChild(folder, space.decode, lambda measurement: measurement.accuracy)
    weights = [np.full((i, 2), i, np.float32 if i % 2 else np.int64) for i in range(12)]
    architecture = (0,) * len(space.decisions)
    best.keep(Job(0, architecture, 0), MEASUREMENT, FakeModel(weights))
    best.follow(Trial(0, architecture, TrialState.OK, 0.5, MEASUREMENT))
    other = FakeModel([np.zeros(1)] * 11)  # one weight fewer, as a model without its auxiliary head
    best.load_weights(other)
    assert [(w.value.dtype, w.value.tolist()) for w in other.weights] == [(w.dtype, w.tolist()) for w in weights[:11]]
