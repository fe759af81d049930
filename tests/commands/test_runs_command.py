"""`rl_nas runs` of what children and strangers wrote."""

import csv
from pathlib import Path

import pytest

from rl_nas.__main__ import main
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
