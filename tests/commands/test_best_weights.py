"""`rl_nas search` in real processes: the best child's weights, whatever else was proposed or killed."""

from pathlib import Path

import numpy as np
import pytest
from processes import held, run
from test_halving_command import TINY

AGAIN = "its weights are on another machine"
FLAGS = (
    *("--flagfile=flags/digits.cfg", "--space=nasbench201", "--filters=2", "--epochs=1", "--executor=inline"),
    *("--strategy=aging_evolution", "--evolution_population=2", "--evolution_sample=2", "--update_every=2"),
)


@pytest.mark.long
def test_a_best_network_that_is_proposed_again_keeps_its_weights(tmp_path: Path) -> None:
    done = run("search", *FLAGS, "--trials=8", "--seed=1", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "(cached)" in done.stderr
    assert AGAIN not in done.stderr


@pytest.mark.long
def test_a_halved_best_child_keeps_its_weights_through_a_kill(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert run("search", *TINY, "--trials=4", f"--run_dir={whole}").returncode == 0
    # The batch is decided, and nothing of it is recorded.
    with held("search", *TINY, "--trials=4", f"--run_dir={folder}", file="states/epochs.json") as command:
        command.kill()
    done = run("search", "--resume", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert AGAIN not in done.stderr
    names = sorted(path.name for path in (whole / "children").glob("*.npz"))
    assert names == sorted(path.name for path in (folder / "children").glob("*.npz"))
    for name in names:
        with np.load(folder / "children" / name) as one, np.load(whole / "children" / name) as other:
            assert all(np.array_equal(one[path], other[path]) for path in other.files)
