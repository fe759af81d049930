"""`rl_nas search --reward_seeds=K` in real processes."""

import functools
from pathlib import Path

import pytest
from processes import held, refuse, run

from rl_nas.store.trials import read_trials

TINY = (
    "--flagfile=flags/digits.cfg",
    "--space=nasbench201",
    "--strategy=random",
    "--filters=4",
    "--epochs=1",
    "--batch_size=240",
    "--reward_seeds=3",
    "--update_every=2",
    "--trials=3",
    "--seed=2",
    "--executor=inline",
)
search = functools.partial(run, "search")


def trials(folder: Path) -> list[tuple[object, ...]]:
    """All but the seconds."""
    measured = [(t.index, t.architecture, t.measurement) for t in read_trials(folder / "trials.sqlite")]
    return [(index, architecture, m.metrics) for index, architecture, m in measured if m is not None]


@pytest.mark.long
def test_a_search_that_is_killed_between_two_trainings_of_a_child_ends_as_unbroken(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    done = search(*TINY, f"--run_dir={whole}")
    assert done.returncode == 0
    assert "(proxy: 1 epoch, mean of 3 runs)" in done.stdout
    assert len(trials(whole)) == 3
    assert not (whole / "states").exists()
    with held("search", *TINY, f"--run_dir={folder}", file="states/1.npz", times=3) as command:
        command.kill()  # its last training has ended, and is not on the disk
    assert [state.name for state in (folder / "states").glob("[0-9]*.npz")] == ["1.npz"]
    assert trials(folder) == trials(whole)[:1]
    assert search("--resume", f"--run_dir={folder}").returncode == 0
    assert trials(folder) == trials(whole)
    assert not (folder / "states").exists()


def test_rules_that_stop_single_trainings_are_refused(tmp_path: Path) -> None:
    done = refuse("search", *TINY, "--early_stop_rule=median", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert "--early_stop_rule=median stops single trainings; with --reward_seeds=3, leave it out" in done.stderr
