"""`rl_nas search --early_stop_rule=halving`, asha and model in real processes."""

import functools
from pathlib import Path

import pytest
from processes import held, refuse, run

from rl_nas.store.trials import read_trials

COMMON = (
    "--flagfile=flags/digits.cfg",
    "--space=nasbench201",
    "--filters=4",
    "--batch_size=240",
    "--early_stop_factor=2",
    "--seed=2",
    "--executor=inline",
)
TINY = (
    *COMMON,
    "--strategy=random",
    "--epochs=4",
    "--early_stop_rule=halving",
    "--update_every=4",
    "--trials=8",
)
ASYNCHRONOUS = (*COMMON, "--strategy=gp", "--epochs=3", "--update_every=2")
search = functools.partial(run, "search")


def trials(folder: Path) -> list[tuple[object, ...]]:
    """All but the seconds."""
    measured = [(t.index, t.architecture, t.measurement) for t in read_trials(folder / "trials.sqlite")]
    return [(index, architecture, m.curve, m.metrics) for index, architecture, m in measured if m is not None]


@pytest.mark.long
def test_a_search_that_is_killed_while_a_batch_competes_ends_as_unbroken(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert search(*TINY, f"--run_dir={whole}").returncode == 0
    unbroken = trials(whole)
    lengths = [len(curve) for _, _, curve, _ in unbroken]  # type: ignore[arg-type]
    assert [sorted(lengths[first : first + 4]) for first in (0, 4)] == [[1, 1, 2, 4]] * 2
    assert not (whole / "states").exists()
    with held("search", *TINY, f"--run_dir={folder}", file="states/3.npz") as command:
        command.kill()
    assert sorted(state.stem for state in (folder / "states").glob("[0-9]*.npz")) == ["0", "1", "2"]
    assert trials(folder) == []
    assert search("--resume", f"--run_dir={folder}").returncode == 0
    assert trials(folder) == unbroken


def test_batches_that_never_end_are_refused(tmp_path: Path) -> None:
    done = refuse("search", *TINY, "--async_updates", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert "--early_stop_rule=halving compares the children of a batch; leave out --async_updates" in done.stderr


def test_asynchronous_halving_stops_children_at_each_rung(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = (*ASYNCHRONOUS, "--early_stop_rule=asha", "--trials=6", f"--run_dir={folder}")
    assert search(*words).returncode == 0
    lengths = {len(curve) for _, _, curve, _ in trials(folder)}  # type: ignore[arg-type]
    assert {1, 3} <= lengths <= {1, 2, 3}
    assert (folder / "best" / "saved_model").exists()


@pytest.mark.long
def test_a_search_whose_model_stops_children_ends_as_unbroken_after_a_kill(tmp_path: Path) -> None:
    words = (*ASYNCHRONOUS, "--early_stop_rule=model", "--trials=20")
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert search(*words, f"--run_dir={whole}").returncode == 0
    unbroken = trials(whole)
    assert {len(curve) for _, _, curve, _ in unbroken} == {1, 2, 3}  # type: ignore[arg-type]
    with held("search", *words, f"--run_dir={folder}", line="13/20 children") as command:
        command.kill()
    assert 13 <= len(trials(folder)) < 20
    assert search("--resume", f"--run_dir={folder}").returncode == 0
    assert trials(folder) == unbroken
