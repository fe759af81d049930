"""`rl_nas runs` of what children and strangers wrote."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rl_nas.__main__ import main
from rl_nas.report.runs_table import COLUMNS
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Failure, Measurement, Trial, TrialState


def test_no_text_is_a_formula_or_steers_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TrialStore(tmp_path / "trials.sqlite") as store:
        store.record(Trial(0, (1,), TrialState.OK, -0.5, Measurement(-0.5, {"=HYPERLINK(1)": -0.5})))
        for index, error in enumerate(("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\x1b[2J"), start=1):
            failures = (Failure(TrialState.CRASHED, error, "\x1b]0;title\x07"),)
            store.record(Trial(index, (1,), TrialState.CRASHED, failures=failures))
    main(["runs", str(tmp_path), "--csv"])
    head, good, *failed = csv.reader(capsys.readouterr().out.splitlines())
    assert head[3] == "'=HYPERLINK(1)"
    assert good[2] == "-0.5"
    errors = [row[head.index("error")] for row in failed]
    assert errors == ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(1)", r"\x1b[2J"]
    for words in (["--csv"], ["--log"], ["--json"]):
        main(["runs", str(tmp_path), *words])
        assert capsys.readouterr().out.replace("\n", "").isprintable()


def recorded(folder: Path, rewards: Sequence[float | None], data: Any = None, **flags: Any) -> Path:
    """A search whose trials have these rewards; None: it failed."""
    folder.mkdir(parents=True)
    config = {
        "flags": {"dataset": "digits", "run_dir": str(folder), **flags},
        **({} if data is None else {"data": data}),
    }
    (folder / "config.json").write_text(json.dumps(config))
    with TrialStore(folder / "trials.sqlite") as store:
        for index, reward in enumerate(rewards):
            if reward is None:
                failed = (Failure(TrialState.OOM, "too large"),)
                store.record(Trial(index, (1,), TrialState.OOM, failures=failed))
            else:
                measured = Measurement(reward, {"accuracy": reward}, parameters=1000 + index)
                store.record(Trial(index, (1,), TrialState.OK, reward, measured))
    return folder


class TestSeveralRuns:
    @pytest.fixture
    def runs(self, tmp_path: Path) -> Path:
        recorded(tmp_path / "runs/a", [0.5, 0.75, None], strategy="random", seed=0, only_here=1)
        recorded(tmp_path / "runs/b", [None], strategy="controller", seed=1)
        (tmp_path / "runs/final").mkdir()
        (tmp_path / "runs/notes.txt").touch()
        return tmp_path / "runs"

    def test_best_trials_and_differing_flags(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["runs", str(runs / "b"), str(runs / "a")]) == 0
        head, second, first, _, differ, seed = capsys.readouterr().out.splitlines()
        assert head.split() == [*COLUMNS]
        assert first.split() == [
            *(str(runs / "a"), "3", "1", "1", "0.7500", "accuracy", "0.7500", "-", "1001", "random", "digits")
        ]
        assert second.split() == [str(runs / "b"), "1", "1", *["-"] * 6, "controller", "digits"]
        assert (differ, seed) == ("They differ in:", f"  --seed: 1 ({runs / 'b'}), 0 ({runs / 'a'})")

    def test_a_folder_of_runs(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["runs", str(runs), "--json"]) == 0
        output, errors = capsys.readouterr()
        first, second = json.loads(output)
        assert (first["run"], first["best"]["index"], first["flags"]["seed"]) == (str(runs / "a"), 1, 0)
        assert (second["run"], second["best"], second["failed"]) == (str(runs / "b"), None, 1)
        assert "run_dir" not in first["flags"]
        assert errors == f"{runs}: no searches, and left out: final\n"
        assert main(["runs", str(runs), "--csv", "--limit=1"]) == 0
        head, row = csv.reader(capsys.readouterr().out.splitlines())
        assert dict(zip(head, row, strict=True))["value"] == "0.75"

    def test_a_damaged_search_does_not_hide_the_others(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (runs / "a/config.json").write_text("{")
        recorded(runs / "c", [0.25])
        (runs / "c/trials.sqlite").write_bytes(b"no database, but long enough to be looked at")
        assert main(["runs", str(runs)]) == 0
        output, errors = capsys.readouterr()
        assert [line.split()[0] for line in output.splitlines()[1:]] == [str(runs / "b")]
        _, first, second = errors.splitlines()
        assert first.startswith(f"left out: {runs}/a/config.json is not JSON")
        assert second.startswith(f"left out: trials of the run, {runs}/c/trials.sqlite: file is not a database")
        assert main(["runs", str(runs / "a"), str(runs / "b")]) == 1
        output, errors = capsys.readouterr()
        assert [line.split()[0] for line in output.splitlines()[1:]] == [str(runs / "b")]
        assert errors.splitlines()[-1].startswith(f"rl_nas runs: left out: {runs}/a/config.json is not JSON")
        (runs / "b/config.json").write_text("{")
        assert main(["runs", str(runs)]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == f"rl_nas runs: none of the searches in {runs} can be read"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "no folder; expected one or more, such as"),
            (["runs/final"], "runs/final holds no trials.sqlite; expected the folder of a search, or one of such"),
            (["runs/a", "nowhere"], "nowhere holds no trials.sqlite"),
            (["runs", "--state=oom"], "--state is for the trials of one run"),
            (["runs", "--log"], "--log is for the trials of one run"),
            (["runs", "--json", "--csv"], "--csv and --json"),
        ],
    )
    def test_wrong_use(
        self, words: list[str], message: str, runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
    ) -> None:
        monkeypatch.chdir(runs.parent)
        assert main(["runs", *words]) == 2
        *_, error = capsys.readouterr().err.splitlines()
        assert error.startswith(f"rl_nas runs: {message}")


def test_accuracies_say_on_how_many_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = recorded(tmp_path / "few", [0.5, 0.75], {"held_out": 40}, valid_split=None)
    split = recorded(tmp_path / "split", [0.5], {"held_out": 2000}, valid_split="val")
    assert main(["runs", str(few)]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    told = "accuracy 0.7500 (95%: 0.5981 to 0.8581)"
    assert last == f"Measured on 40 held-out images of the training split; the best: trial 1, {told}"
    assert main(["runs", str(split)]) == 0
    assert "\nMeasured on 2,000 images of split val; the best: trial 0, accuracy 0.5000\n" in capsys.readouterr().out
    assert main(["runs", str(few), str(split)]) == 0
    _, first, second, *_ = capsys.readouterr().out.splitlines()
    assert "accuracy  0.7500 (95%: 0.5981 to 0.8581)      40 " in first
    assert second.split()[5:8] == ["accuracy", "0.5000", "2000"]
    whole = recorded(tmp_path / "whole", [1.0])
    main(["runs", str(few), str(whole)])
    assert " 1.0000  accuracy  1.0000 " in capsys.readouterr().out
    main(["runs", str(few), str(split), "--json"])
    assert [one["images"] for one in json.loads(capsys.readouterr().out)] == [40, 2000]


@pytest.mark.parametrize("data", [[], {"held_out": "many"}, {"held_out": True}, {"held_out": 1.5}])
def test_what_a_stranger_says_of_the_images_is_checked(
    data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", str(recorded(tmp_path / "run", [0.5], data))]) == 2
    assert capsys.readouterr().err.startswith(f"rl_nas runs: {tmp_path}/run/config.json: it is ")


def test_a_damaged_store_is_one_line_and_a_lost_reward_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrialStore(tmp_path / "trials.sqlite") as store:
        store.record(Trial(0, (1,), TrialState.OK, 0.5, Measurement(0.5)))
        store._connection.execute("UPDATE trials SET reward = NULL")
        store._connection.commit()
    assert main(["runs", str(tmp_path)]) == 0
    assert "0  nan: its reward is nan" in capsys.readouterr().out
    with TrialStore(tmp_path / "trials.sqlite") as store:
        store._connection.execute("UPDATE trials SET seconds = 9e999")
        store._connection.commit()
    assert main(["runs", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "trials.sqlite: seconds is inf; expected a finite number from 0" in error
    assert error.count("\n") == 1
