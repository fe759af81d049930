"""`rl_nas search --resume` where files of the run are damaged: what is told, and `--rebuild`."""

import functools
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from processes import Words, run
from searches import assert_complete, assert_refused, contents, repeatable

run = functools.partial(run, "search")
TRIALS = 4
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def unbroken(base: Path, tiny: Words) -> Path:
    folder = base / "unbroken"
    done = run(*tiny, f"--trials={TRIALS}", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def part(base: Path, tiny: Words) -> Path:
    folder = base / "part"
    done = run(*tiny, "--trials=2", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_search_with_damaged_state_and_log_is_made_again_as_the_unbroken_one(
    unbroken: Path, part: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(part, tmp_path / "run"))
    (folder / "health.jsonl").write_text('{"update": \n')
    assert_refused(
        run("--resume", f"--trials={TRIALS}", f"--run_dir={folder}"), "health.jsonl is not JSON (Expecting value"
    )
    with closing(sqlite3.connect(folder / "trials.sqlite")) as connection, connection:
        connection.execute("UPDATE checkpoint SET state = zeroblob(1000)")
    for name in ("best", "children"):
        shutil.rmtree(folder / name)
    (folder / "health.jsonl").unlink()
    told = run("--resume", f"--trials={TRIALS}", f"--run_dir={folder}")
    assert_refused(told, "give --resume --rebuild to make it again from what is recorded")
    done = run("--resume", "--rebuild", f"--trials={TRIALS}", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert "the strategy learns from 2 recorded trials again" in done.stderr.splitlines()
    assert repeatable(folder) == repeatable(unbroken)
    assert (folder / "health.jsonl").read_bytes() == (unbroken / "health.jsonl").read_bytes()
    assert not json.loads((folder / "config.json").read_text())["flags"]["rebuild"]
    assert_complete(folder, lost=[0, 1])


def test_trials_that_are_lost_are_told(part: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(part, tmp_path / "run"))
    (folder / "trials.sqlite").write_bytes(b"")
    before = contents(folder / "best")
    assert_refused(run("--resume", f"--run_dir={folder}"), "trials.sqlite holds no trials, but the run has a best one")
    assert contents(folder / "best") == before
