"""`rl_nas search --early_stop_rule=model` and `asha` in real processes."""

import functools
from pathlib import Path

import pytest
from processes import held, run

from rl_nas.store.trials import read_trials

TINY = (
    "--flagfile=flags/digits.cfg",
    "--space=nasbench201",
    "--strategy=gp",
    "--filters=4",
    "--epochs=3",
    "--batch_size=240",
    "--early_stop_factor=2",
    "--update_every=2",
    "--seed=2",
    "--executor=inline",
)
search = functools.partial(run, "search")


def trials(folder: Path) -> list[tuple[object, ...]]:
    """All but the seconds."""
    measured = [(t.index, t.architecture, t.measurement) for t in read_trials(folder / "trials.sqlite")]
    return [(index, architecture, m.curve, m.metrics) for index, architecture, m in measured if m is not None]


def test_some_children_are_stopped_at_each_rung(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert search(*TINY, "--early_stop_rule=asha", "--trials=6", f"--run_dir={folder}").returncode == 0
    lengths = {len(curve) for _, _, curve, _ in trials(folder)}  # type: ignore[arg-type]
    assert lengths <= {1, 2, 3}
    assert {1, 3} <= lengths
    assert (folder / "best" / "saved_model").exists()


@pytest.mark.long
def test_a_search_that_is_killed_ends_as_unbroken(tmp_path: Path) -> None:
    words = (*TINY, "--early_stop_rule=model", "--trials=20")
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert search(*words, f"--run_dir={whole}").returncode == 0
    unbroken = trials(whole)
    assert {len(curve) for _, _, curve, _ in unbroken} == {1, 2, 3}  # type: ignore[arg-type]
    with held("search", *words, f"--run_dir={folder}", line="13/20 children") as command:
        command.kill()
    assert 13 <= len(trials(folder)) < 20
    assert search("--resume", f"--run_dir={folder}").returncode == 0
    assert trials(folder) == unbroken
