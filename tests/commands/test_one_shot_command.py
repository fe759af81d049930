"""`rl_nas search --estimator=shared` in real processes."""

import functools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from processes import held, refuse, run

from rl_nas.one_shot.result import one_shot_result
from rl_nas.store.trials import read_trials
from rl_nas.trial import Trial

TINY = (
    "--flagfile=flags/digits.cfg",
    "--space=nasbench201",
    "--estimator=shared",
    "--strategy=reinforce",
    "--controller_preset=enas",
    "--filters=4",
    "--epochs=1",
    "--batch_size=240",
    "--learning_rate=0.05",
    "--shared_epochs=4",
    "--shared_warmup=1",
    "--shared_updates=2",
    "--update_every=3",
    "--shared_samples=8",
    "--trials=6",
    "--executor=inline",  # a third of the time: workers import TensorFlow too
)
search = functools.partial(run, "search")


def trials(folder: Path) -> list[tuple[object, ...]]:
    """All but the seconds."""
    return [_timeless(trial) for trial in read_trials(folder / "trials.sqlite")]


def _timeless(trial: Trial) -> tuple[object, ...]:
    assert trial.measurement is not None
    return trial.index, trial.architecture, trial.measurement.metrics["accuracy"], trial.measurement.metrics["loss"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An unbroken run, and what it printed."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    done = search(*TINY, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert "shared weights: epoch 4/4" in done.stderr
    return folder, done.stdout


def test_a_sample_is_ranked_and_confirmed(whole: tuple[Path, str]) -> None:
    folder, printed = whole
    ranking = json.loads((folder / "shared/ranking.json").read_text())
    assert len(ranking) == 8
    assert "Shared weights ranked 8 networks; trained alone, these reach:" in printed
    assert re.search(r"Rank correlation over the \d chosen at random: Spearman -?\d\.\d\d \[", printed)
    recorded = trials(folder)
    assert recorded[0][1] == tuple(ranking[0]["architecture"])  # the best one first
    assert {architecture for _, architecture, _, _ in recorded} < {tuple(r["architecture"]) for r in ranking}
    lines = [json.loads(line) for line in (folder / "health.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == [0, 1, 2, 3]
    assert ["mean_reward" in line for line in lines] == [False, True, True, True]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert (folder / "best/saved_model").is_dir()
    assert (folder / "best/cell.png").exists()


@pytest.mark.long
def test_killed_in_both_phases_it_ends_as_unbroken(whole: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held("search", *TINY, f"--run_dir={folder}", line="shared weights: epoch 2/4") as command:
        command.kill()
    with held("search", "--resume", f"--run_dir={folder}", line="1/6 children") as command:
        command.kill()
    assert search("--resume", f"--run_dir={folder}").returncode == 0
    assert trials(folder) == trials(whole[0])
    assert (folder / "shared/ranking.json").read_text() == (whole[0] / "shared/ranking.json").read_text()
    assert len((folder / "health.jsonl").read_text().splitlines()) == 4
    assert search("--resume", "--trials=8", f"--run_dir={folder}", "--json").returncode == 0
    assert trials(folder)[:6] == trials(whole[0])
    assert len(trials(folder)) == 8


@pytest.mark.long
def test_hours_that_are_spent_leave_shared_weights_that_go_on(whole: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = search(*TINY, "--max_hours=1e-9", f"--run_dir={folder}")
    assert done.returncode == 1
    assert "--max_hours=1e-09 is spent after 0 of 4 epochs of the shared weights" in done.stderr.splitlines()[-1]
    assert search("--resume", "--max_hours=1000", f"--run_dir={folder}").returncode == 0
    assert trials(folder) == trials(whole[0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy=aging_evolution",), "--strategy=aging_evolution: shared weights need a strategy that draws"),
        (("--strategy=controller",), "give --strategy=reinforce, ppo, random"),
        (("--space=nas_rl",), "--space=nas_rl: its networks have too little in common"),
        (("--trials=9",), "--trials=9 to be trained alone exceed --shared_samples=8"),
        (("--reward=mnasnet_soft", "--cost=latency", "--cost_target=0.1"), "--cost=latency is measured on children"),
        (("--early_stop_rule=halving",), "--early_stop_rule=halving: the networks chosen are trained to the end"),
        (("--on_collapse=stop",), "--on_collapse is for --estimator=trained"),
    ],
)
def test_what_shared_weights_have_no_use_for_is_refused_at_once(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = refuse("search", *TINY, *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_result_may_lack_trials_between(whole: tuple[Path, str]) -> None:
    """Two workers, stopped by Ctrl-C: a later trial can be recorded before an earlier one."""
    recorded = read_trials(whole[0] / "trials.sqlite")
    ranking, seed = json.loads((whole[0] / "shared/ranking.json").read_text()), 0
    everything, some = (one_shot_result(ranking, those, seed) for those in (recorded, [recorded[0], recorded[5]]))
    unmarked = [replace(one, random=False) for one in everything.confirmed]
    assert [replace(one, random=False) for one in some.confirmed] == [unmarked[0], unmarked[5]]
    assert sum(one.random for one in some.confirmed) <= sum(one.random for one in everything.confirmed)
