"""`rl_nas search --warm_start=scores` in real processes."""

import json
from pathlib import Path

import pytest
from processes import held, refuse, run
from searches import repeatable

TINY = (
    *("--flagfile=flags/digits.cfg", "--space=nasbench201", "--strategy=aging_evolution", "--filters=2", "--epochs=1"),
    *("--batch_size=240", "--update_every=2", "--trials=5", "--seed=2", "--executor=inline", "--warm_start=scores"),
    *("--warm_start_children=3", "--warm_start_sample=6"),
)


@pytest.mark.long
def test_a_search_begins_with_the_best_scored_wherever_it_is_killed(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    done = run("search", *TINY, f"--run_dir={whole}")
    assert done.returncode == 0, done.stderr
    assert "warm start: scoring 6 untrained networks by synflow, naswot, jacov, parameters" in done.stderr
    first = json.loads((whole / "warm_start.json").read_text())["first"]
    trials = repeatable(whole)
    assert [json.loads(trial["architecture"]) for trial in trials[:3]] == first
    with held("search", *TINY, f"--run_dir={folder}", file="children/1.weights.npz") as command:
        command.kill()
    resumed = run("search", "--resume", f"--run_dir={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert "scoring" not in resumed.stderr
    assert repeatable(folder) == trials


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--warm_start_scores=luck",), "--warm_start_scores: no score 'luck'; expected some of parameters,"),
        (("--warm_start_sample=2",), "--warm_start_children=3 of --warm_start_sample=2 random networks"),
        (("--estimator=shared", "--strategy=random"), "--warm_start is for networks that are trained alone"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = refuse("search", *TINY, *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.long
def test_networks_that_cannot_be_built_are_not_scored(tmp_path: Path) -> None:
    """In this space some have more vertices before their end than a channel for each."""
    space = ("--space=nasbench101", "--filters=2", "--warm_start_sample=12", "--trials=2")
    done = run("search", *TINY, *space, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "warm start: scoring 12 untrained networks" in done.stderr
