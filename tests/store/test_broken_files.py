"""Broken files of a run, and those of a stranger, end in one line that names the file."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from training_files import DATA, RESULTS

from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.errors import StorageError, UsageError
from rl_nas.one_shot.state import OneShotState
from rl_nas.report.health_log import HealthLog
from rl_nas.report.training_log import TrainingLog
from rl_nas.store.json_files import read_json, read_text
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.states import pack, unpack
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows.export_source import ExportSource


def exported(folder: Path) -> Any:
    (folder / "model.keras").touch()
    (folder / "config.json").write_text('{"flags": {}}')
    return ExportSource(str(folder), {"dataset": "digits"}, ())


Reader = Callable[[Path], Any]
READERS: dict[str, tuple[str, Reader, Any]] = {
    "search --resume": ("config.json", lambda folder: SearchFolder(folder).reopen(), {"flags": {"seed": 1}}),
    "train --resume, shown again": ("results.json", lambda folder: TrainingFolder(folder).read_results(), RESULTS),
    "train --resume": ("data.json", lambda folder: TrainingFolder(folder).read_data(), DATA),
    "export": ("results.json", exported, RESULTS),
    "shared weights": (
        *("ranking.json", lambda folder: OneShotState(folder).ranking()),
        [{"architecture": [1, 2], "quality": 0.5}],
    ),
    "halving": ("epochs.json", lambda folder: ChildStates(folder).read(), {"3": 2}),
}
BROKEN = {
    "empty": b"",
    "binary": b"\xff\xfe\x00\x80",
    "truncated": b'{"flags": {"seed": ',
    "number": b"1",
    "null": b"null",
    "list of null": b"[null]",
    "object of list": b'{"flags": [], "a": []}',
    "deep": b"[" * 100_000,
}
WRONG = {**BROKEN, "empty list": b"[]", "empty object": b"{}"}


@pytest.mark.parametrize("content", WRONG)
@pytest.mark.parametrize("verb", READERS)
def test_each_reader_names_the_file_in_one_line(verb: str, content: str, tmp_path: Path) -> None:
    name, read, _ = READERS[verb]
    (tmp_path / name).write_bytes(WRONG[content])
    if verb == "halving" and content == "empty object":
        assert read(tmp_path) == {}
        return
    with pytest.raises(UsageError) as refused:
        read(tmp_path)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("verb", [verb for verb in READERS if verb != "export"])
def test_each_reader_reads_what_is_whole(verb: str, tmp_path: Path) -> None:
    name, read, document = READERS[verb]
    (tmp_path / name).write_text(json.dumps(document))
    found = read(tmp_path)
    assert found == (document if verb != "halving" else {3: 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": True}, "'epochs' is true, not a whole number"),
        ({"network": {"size": None, "trainable_parameters": 1}}, "'network' has no 'multiply_adds'"),
        (
            {"valid": {"split": "valid", "images": 1, "accuracy": "high"}},
            """'accuracy' is "high", not a number or null""",
        ),
        ({"valid": [1]}, "'valid' is [1], not null or an object"),
    ],
)
def test_the_message_tells_what_is_wrong(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    folder.results.write_text(json.dumps({**RESULTS, **change}))
    with pytest.raises(UsageError) as refused:
        folder.read_results()
    assert message in str(refused.value)
    assert "delete the file and give rl_nas train --resume" in str(refused.value)


def test_names_that_are_no_trials_are_refused(tmp_path: Path) -> None:
    (tmp_path / "epochs.json").write_text('{"best": 1}')
    with pytest.raises(UsageError, match="names that are no trials"):
        ChildStates(tmp_path).read()


@pytest.mark.parametrize("line", [b"", b"1", b"[]", b"\xff\x80", b'{"epoch": ', b'{"epoch": "x"}', b'{"update": null}'])
@pytest.mark.parametrize("log", ["health", "training"])
def test_broken_lines_are_refused(log: str, line: bytes, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(line + b"\n")
    logs: dict[str, Callable[[], Any]] = {
        "health": lambda: HealthLog(tmp_path / "lines", tmp_path / "events"),
        "training": lambda: TrainingLog(tmp_path / "lines", tmp_path / "events", 1),
    }
    with pytest.raises(UsageError, match=str(tmp_path / "lines")):
        logs[log]()


@pytest.mark.parametrize("column", ["architecture = 'x'", "architecture = '5'", "metrics = '[1]'", "state = 'fine'"])
def test_broken_trials_are_refused(column: str, tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    with TrialStore(path) as store:
        store.record(Trial(0, (1,), TrialState.OK, 0.5, Measurement.of({"accuracy": 0.5})))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE trials SET {column}")
        connection.commit()
    with pytest.raises(StorageError, match="trials of the run"):
        read_trials(path)


@pytest.mark.parametrize("state", [{"a": {"$array": "9"}}, {"a": {"$array": []}}, {"$array": 1}])
def test_a_state_without_its_arrays_is_not_a_state(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a state of a strategy"):
        unpack(pack(state))


def test_absent_and_binary_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.txt: No such file"):
        read_text(tmp_path / "labels.txt")
    (tmp_path / "labels.txt").write_bytes(b"\xff\x80")
    with pytest.raises(UsageError, match=r"labels\.txt is not UTF-8 text; export it again"):
        read_text(tmp_path / "labels.txt", "export it again")
    with pytest.raises(UsageError, match="No such file"):
        read_json(tmp_path / "x.json", dict)


def test_shared_weights_that_are_made_again_rank_again_if_they_must(tmp_path: Path) -> None:
    state = OneShotState(tmp_path)
    whole = [{"architecture": [1, 2], "quality": 0.5}]
    state.save_ranking(whole)
    state.forget()
    assert state.ranking() == whole  # trials follow it
    state.path.write_text('[{"architecture": ')
    state.forget()
    assert state.ranking() is None
    state.forget()
