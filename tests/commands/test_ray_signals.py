"""`rl_nas search --executor=ray` in a real process: Ray's handlers of signals are not the verb's."""

import signal
from pathlib import Path

import pytest
from processes import held
from searches import TINY, assert_complete, rows

pytest.importorskip("ray")
FLAGS = (*TINY[:2], "--flagfile=flags/digits.cfg", *TINY[2:], "--strategy=random", "--workers=1", "--trials=3")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_search_on_ray_that_is_told_to_end_writes_its_best_files(number: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held("search", *FLAGS, "--executor=ray", f"--run_dir={folder}", line="1/3 children") as search:
        search.process.send_signal(number)
        code, output, errors = search.rest()
    assert code == 130, errors
    assert output.splitlines()[-1].startswith("Best child: trial 0, ")
    assert f"resume with: rl_nas search --resume --run_dir={folder}" in errors.splitlines()
    assert len(rows(folder)) == 1
    assert_complete(folder)
