"""The probabilities of decisions in a run: bounded, and read back."""

import json
from pathlib import Path

import pytest

from rl_nas.errors import UsageError
from rl_nas.store.decision_log import DecisionLog, read_decision_log

ROW = [[0.25, 0.75], [1 / 3, 1 / 3, 1 / 3]]


def write(path: Path, updates: range) -> None:
    log = DecisionLog(path)
    for number in updates:
        if log.wants(number):
            log.add(number, ROW)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "log", range(3))
    found = read_decision_log(tmp_path / "log")
    assert [line.update for line in found] == [0, 1, 2]
    assert found[0].probabilities == [[0.25, 0.75], [0.3333] * 3]


def test_a_continued_run_writes_only_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, range(3))
    with path.open("a") as file:
        file.write('{"update": 3, "prob')  # killed here
    assert len(read_decision_log(path)) == 3
    write(path, range(5))
    assert [line.update for line in read_decision_log(path)] == [0, 1, 2, 3, 4]


def test_a_long_search_keeps_evenly_spaced_updates(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, range(1500))
    write(path, range(3000))
    kept = [line.update for line in read_decision_log(path)]
    assert kept == list(range(0, 3000, 8))


@pytest.mark.parametrize(
    "text",
    [
        "[]\n",
        '{"update": 0}\n',
        '{"update": 0, "probabilities": [["a"]]}\n',
        '{"update": 0, "probabilities": [[1.5]]}\n',
        '{"update": 0, "probabilities": [[NaN]]}\n',
        '{"update": 1, "probabilities": []}\n{"update": 1, "probabilities": []}\n',
        "".join(json.dumps({"update": n, "probabilities": []}) + "\n" for n in range(513)),
    ],
)
def test_broken_files_are_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    for read in (read_decision_log, DecisionLog):
        with pytest.raises(UsageError, match="delete the file, which only pictures need"):
            read(path)
