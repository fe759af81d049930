"""The table of the second stage: order, means and correlation from known results."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rl_nas.bench.table import make_table
from rl_nas.commands.search import _retrain
from rl_nas.flags.parsing import OutputSettings
from rl_nas.report.second_stage import second_stage_text
from rl_nas.statistics import spearman
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows.second_stage import candidates
from rl_nas.workflows.settings import SecondStageSettings


def results(valid: float, test: float | None = None) -> dict[str, Any]:
    measured = {"top5_accuracy": None, "loss": 0.1, "images": 500}
    return {
        "epochs": 7,
        "train": {"images": 1000, "loss": 0.1, "accuracy": 0.9},
        "valid": {"split": "valid", "accuracy": valid, **measured},
        "final_test": None if test is None else {"split": "test", "accuracy": test, **measured},
        "network": {"trainable_parameters": 12_345, "multiply_adds": 67_890},
        "seconds": 10.0,
    }


UNSEEN = {"name": "trial9", "proxy": -0.3}
DOCUMENT: dict[str, Any] = {
    "compared": [
        {"name": "trial4", "proxy": 0.7, "results": [results(0.80, 0.79), results(0.82, 0.81)]},
        {"name": "trial1", "proxy": 0.6, "results": [results(0.90, 0.89), results(0.92, 0.91)]},
        {"name": "trial2", "proxy": 0.5, "results": [results(0.70), results(0.72)]},
        {"name": "random0", "proxy": None, "results": [results(0.60), results(0.60)]},
        {"name": "random1", "proxy": None, "results": []},
    ],
    "full": {"name": "trial1", "folder": "then/trial1/full", "results": {**results(0.95, 0.94), "epochs": 99}},
}


def test_the_best_stands_first_and_test_images_do_not_choose() -> None:
    lines = second_stage_text(DOCUMENT, Path("runs/a")).splitlines()
    assert "7 epochs of 1,000 images, 2 seeds each" in lines[0]
    names = [line.split()[0] for line in lines[2:7]]
    assert names == ["trial1", "trial4", "trial2", "random0", "random1"]
    assert lines[2].split()[1:5] == ["0.6000", "0.9100", "±", "0.0141"]
    assert lines[6] == "random1  failed"
    assert " 0.9100 ± 0.0141 (95%: 0.8817 to 0.9321)  0.9000 ± " in lines[2]
    assert lines[7] == "held out: 500 images; test: 500 images of split test; proxy: the reward in the search"
    text = "\n".join(lines)
    assert "mean of the 3 found cells: 0.8100 ± 0.1000 on the held-out images" in text
    assert "mean of the 1 random cell: 0.6000 on the held-out images" in text
    assert "rank correlation (Spearman) of proxy and longer training: 0.50 over 3 cells" in text
    assert "trained model  runs/a/then/trial1/full/model.keras" in lines
    assert "export it      rl_nas export --model=runs/a/then/trial1/full --out=exported" in lines
    figure = "accuracy 0.9400 (95%: 0.9156 to 0.9577) on 500 images of split test"
    assert lines[-1] == f"Full training: trial1, 99 epochs, {figure}: final"


def test_columns_keep_their_places_if_a_quality_is_negative() -> None:
    worse = [results(-12.5, -0.5), results(-13.5, -0.25)]
    lines = second_stage_text(
        {**DOCUMENT, "compared": [*DOCUMENT["compared"], {**UNSEEN, "results": worse}]}, Path("runs/a")
    ).splitlines()
    assert len({line.index("12,345") for line in lines[2:7]}) == 1
    assert lines[6].split()[1:3] == ["-0.3000", "-13.0000"]


def test_a_full_training_that_failed_is_told() -> None:
    failed = {**DOCUMENT["full"], "results": None}
    lines = second_stage_text({**DOCUMENT, "full": failed}, Path("runs/a")).splitlines()
    assert lines[-1] == "Full training: trial1 failed; see the lines above"
    assert not any("model.keras" in line for line in lines)


def test_spearman_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for size in (3, 10, 50):
        one, other = rng.integers(0, 8, size).astype(float), rng.normal(size=size)
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_trainings_that_failed_are_told_at_the_end_and_in_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def ended(document: dict[str, Any]) -> tuple[int, str]:
        run = SimpleNamespace(
            second_stage=lambda trials: document,
            folder=SearchFolder("/runs/a"),
            config=SimpleNamespace(then=SimpleNamespace(seeds=2)),
        )
        code = _retrain(run, SimpleNamespace(trials=()), OutputSettings())  # type: ignore[arg-type]
        return code, capsys.readouterr().err

    code, told = ended(DOCUMENT)
    assert code == 1
    assert told == (
        "trainings that failed, of which the lines above say why: random1; the others are in /runs/a/then; try these"
        " again with: rl_nas search --resume --run_dir=/runs/a\n"
    )
    whole = {**DOCUMENT, "compared": DOCUMENT["compared"][:4]}
    assert ended(whole) == (0, "")
    code, told = ended({**whole, "full": {**whole["full"], "results": None}})
    assert code == 1
    assert "say why: trial1/full; " in told


def test_random_networks_end_where_the_search_has_trained_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    ops = np.array(list(np.ndindex(2, 2)))
    space = make_table("four", ops, [["a", "b"]] * 2, ["valid"], np.zeros((4, 1))).space
    trials = [Trial(i, (i, 0), TrialState.OK, 0.5, Measurement(0.5)) for i in range(2)]
    names = [one.name for one in candidates(SecondStageSettings(train="a.cfg", top=1, random=3), space, trials, seed=0)]
    assert names == ["trial0", "random0", "random1"]
    told = "--then_random=3: 2 random networks; the search has trained nearly all others"
    assert told in capsys.readouterr().err
