"""`rl_nas search --confirm=K` in real processes."""

import json
from pathlib import Path
from typing import Any

import pytest
from processes import held, run

from rl_nas.store.choice import CONFIRMED
from rl_nas.store.trials import read_trials
from rl_nas.workflows.recorded_run import load_run

TINY = (
    *("--flagfile=flags/digits.cfg", "--space=nasbench201", "--strategy=random", "--filters=2", "--epochs=1"),
    *("--batch_size=240", "--update_every=2", "--trials=4", "--seed=2", "--executor=inline"),
    *("--confirm=2", "--confirm_seeds=2"),
)


def confirmed(folder: Path) -> list[tuple[Any, ...]]:
    """All but the seconds."""
    return [(t.index, t.architecture, t.reward) for t in read_trials(folder / "confirmed.sqlite")]


@pytest.mark.long
def test_a_confirmation_that_is_killed_ends_as_unbroken(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    done = run("search", *TINY, f"--run_dir={whole}")
    assert done.returncode == 0, done.stderr
    assert "confirmation: the 2 best children are trained again, 2 times each" in done.stderr
    again = confirmed(whole)
    assert len(again) == 4
    rewards = [reward for _, _, reward in again]
    assert len(set(rewards)) > 1  # seeds differ
    choice = json.loads((whole / "choice.json").read_text())
    assert choice["by"] == CONFIRMED
    assert sorted(reward for one in choice["confirmed"] for reward in one["rewards"]) == sorted(rewards)
    best = max(choice["confirmed"], key=lambda one: sum(one["rewards"]))
    assert choice["trial"] == best["trial"]
    found_by = json.loads((whole / "best/genotype.json").read_text())["found_by"]["trial"]
    opened = load_run(whole).best
    assert opened is not None
    assert found_by == opened.index == choice["trial"]
    assert f"Best child: trial {choice['trial']}," in done.stdout
    with held("search", *TINY, f"--run_dir={folder}", file=f"children/{again[2][0]}.weights.npz") as command:
        command.kill()
    assert confirmed(folder) == again[:2]
    resumed = run("search", "--resume", f"--run_dir={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert confirmed(folder) == again
    assert json.loads((folder / "choice.json").read_text()) == choice
    listed = run("runs", folder)
    assert f"the best: trial {choice['trial']}," in listed.stdout
    assert "has the best mean of its further trainings" in listed.stdout
