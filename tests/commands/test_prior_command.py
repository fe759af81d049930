"""`rl_nas search --prior=RUN` in real processes."""

import json
import shutil
from pathlib import Path

import pytest
from processes import held, refuse, run
from searches import repeatable

TINY = (
    *("--flagfile=flags/digits.cfg", "--space=nasbench201", "--filters=2", "--epochs=1", "--batch_size=240"),
    *("--update_every=2", "--seed=2", "--executor=inline"),
)


@pytest.mark.long
def test_a_search_with_prior_knowledge_goes_on_without_the_earlier_run(tmp_path: Path) -> None:
    earlier, whole, folder = (tmp_path / name for name in ("earlier", "whole", "killed"))
    assert run("search", *TINY, "--strategy=random", "--trials=6", f"--run_dir={earlier}").returncode == 0
    words = (*TINY, "--strategy=gp", "--trials=4", f"--prior={earlier}")
    done = run("search", *words, f"--run_dir={whole}")
    assert done.returncode == 0, done.stderr
    assert f"prior: 6 of 6 trials of {earlier} on digits, the best trial " in done.stderr
    recorded = json.loads((whole / "config.json").read_text())["prior"]
    assert recorded["architectures"] == [json.loads(row["architecture"]) for row in repeatable(earlier)]
    assert recorded["rewards"] == [row["reward"] for row in repeatable(earlier)]
    with held("search", *words, f"--run_dir={folder}", file="children/2.weights.npz") as command:
        command.kill()
    shutil.rmtree(earlier)
    resumed = run("search", "--resume", f"--run_dir={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert repeatable(folder) == repeatable(whole)
    few = refuse("search", *TINY, "--strategy=gp", f"--prior={whole}", f"--run_dir={tmp_path / 'new'}")
    assert few.returncode == 2
    assert "has 4 successful trials; expected at least 5" in few.stderr
    other = refuse("search", *TINY, "--space=nasnet", f"--prior={whole}", f"--run_dir={tmp_path / 'new'}")
    assert "is a search of --space=nasbench201 with other decisions; expected those of --space=nasnet" in other.stderr


@pytest.mark.parametrize("strategy", ["random", "aging_evolution"])
def test_strategies_without_a_model_refuse_it(tmp_path: Path, strategy: str) -> None:
    done = refuse("search", *TINY, f"--strategy={strategy}", "--prior=x", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert (
        f"--prior: --strategy={strategy} has no model of the rewards; give --strategy=controller or gp" in done.stderr
    )
