"""`rl_nas search` in real processes, by other executors than it was started with."""

import functools
import json
from pathlib import Path
from typing import Any

import processes
import pytest
from processes import Words
from searches import repeatable

pytestmark = pytest.mark.long

run = functools.partial(processes.run, "search")


@pytest.mark.slow
def test_the_same_trials_in_one_process_or_in_several(base: Path, tiny: Words) -> None:
    """Real children: in batches of three, by two workers and inline."""
    folders = {}
    for executor in ("processes", "inline"):
        folders[executor] = base / executor
        words = ("--strategy=random", "--trials=3", "--update_every=3", "--workers=2", f"--executor={executor}")
        done = run(*tiny, *words, f"--run_dir={folders[executor]}")
        assert done.returncode == 0, done.stderr
    assert repeatable(folders["processes"]) == repeatable(folders["inline"])


@pytest.mark.slow
def test_the_same_trials_with_batches_in_flight(base: Path, tiny: Words) -> None:
    """Real children, of which two are trained at once or one: proposals do not wait for the one before."""
    folders = [base / f"flying{workers}" for workers in (1, 2)]
    for workers, folder in enumerate(folders, start=1):
        words = ("--strategy=gp", "--trials=6", "--update_every=1", "--batches_in_flight=5", f"--workers={workers}")
        done = run(*tiny, *words, f"--run_dir={folder}")
        assert done.returncode == 0, done.stderr
        advised = "workers: each proposal knows all results but the last 4; with 1 worker --batches_in_flight=2 "
        assert (advised in done.stderr) == (workers == 1)
    assert repeatable(folders[0]) == repeatable(folders[1])
    done = run("--resume", "--trials=8", f"--run_dir={folders[0]}")
    assert done.returncode == 0, done.stderr
    assert "workers: " not in done.stderr  # they were told when the search began
    assert repeatable(folders[0])[:6] == repeatable(folders[1])


@pytest.mark.long
def test_what_changes_when_a_run_goes_on_is_written_down(base: Path, tiny: Words) -> None:
    folder = base / "changed"
    words = ("--strategy=random", "--trials=1", "--executor=inline", f"--run_dir={folder}")
    assert run(*tiny, *words).returncode == 0
    done = run("--resume", "--trials=2", "--child_timeout=1800", "--executor=processes", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    config = json.loads((folder / "config.json").read_text())
    changes = {change["flag"]: (change["before"], change["now"]) for change in config["changes"]}
    assert changes == {"trials": (1, 2), "child_timeout": (None, 1800.0), "executor": ("inline", "processes")}
    assert config["flags"]["trials"] == 2
    listed = run_runs(folder, "--json")
    assert [trial["index"] for trial in sorted(listed, key=lambda trial: -trial["reward"])] == [
        trial["index"] for trial in listed
    ]
    assert {trial["state"] for trial in listed} == {"ok"}
    assert run_runs(folder, "--json", "--state=oom") == []


def run_runs(folder: Path, *words: str) -> Any:
    done = processes.run("runs", folder, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
