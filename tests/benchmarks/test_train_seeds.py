"""Trainings with several seeds: recipes, folders, and the table of what they measured."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.exit_codes import DONE, WRONG_USE
from rl_nas.flags.parsing import parse
from rl_nas.store.training_folder import TrainingFolder

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(name="script")
def _script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    return importlib.import_module("train_seeds")


def finish(script: Any, words: Sequence[str], name: str, seed: int, held_out: float, test: float | None) -> None:
    """Writes the folder of a training as if it were finished."""
    flags = script.recipes_of(parse(script.COMMAND, words))[name]
    folder = TrainingFolder(f"runs/seeds/{name}-{seed}")
    folder.path.mkdir(parents=True)
    folder.write_config({"flags": {**flags, "task": "detection", "seed": seed, "run_dir": str(folder.path)}})
    images = {"split": "some", "images": 9}
    measured = {"mAP": held_out, "AP50": held_out + 0.1, "loss": 1.0, "AP/cell": 0.5}
    document = {
        "genotype_name": "FPN",
        "network": {"size": None, "trainable_parameters": 1, "multiply_adds": 1},
        "train": {"images": 9},
        "valid": {**images, **measured},
        "final_test": None if test is None else {**images, "mAP": test, "AP50": None},
        "epochs": 1,
        "seconds": 10.0 * (seed + 1),
    }
    folder.results.write_text(json.dumps(document))


def test_means_over_seeds_are_those_of_the_results(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipes.txt").write_text(
        "# two of them\n\nslow: --learning_rate=0.01\nfast: --learning_rate=0.1 --epochs=2\n"
    )
    words = ["--genotype=FPN", "--variants=recipes.txt", "--runs=2", "--parts=0"]
    for seed, held_out, test in ((0, 0.2, 0.3), (1, 0.4, 0.3)):
        finish(script, words, "slow", seed, held_out, test)
    finish(script, words, "fast", 0, 0.5, None)
    assert script.main(words) == DONE
    output, errors = capsys.readouterr()
    assert errors == "stopped after 0 trainings; the same command goes on\n"
    assert output.splitlines() == [
        "| training | runs | held-out mAP | held-out AP50 | test mAP | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
        "| slow | 2 | 0.3000 [0.2000, 0.4000] | 0.4000 [0.3000, 0.5000] | 0.3000 | 15 |",
        "| fast | 1 | 0.5000 | 0.6000 | - | 10 |",
    ]
    assert script.main([*words, "--figures=AP/cell,mAP", "--json"]) == DONE
    slow, fast = json.loads(capsys.readouterr().out)
    assert list(slow) == ["training", "runs", "held-out AP/cell", "held-out mAP", "test mAP", "seconds"]
    assert slow["held-out mAP"]["mean"] == pytest.approx(0.3)
    assert slow["held-out mAP"]["std"] == pytest.approx(np.std([0.2, 0.4], ddof=1))
    assert fast["test mAP"] is None


def test_recipes_win_over_the_command_line(script: Any) -> None:
    Path("recipes.txt").write_text("one: --epochs=2 --flip\nother:\n")
    words = ["--genotype=FPN", "--epochs=5", "--variants=recipes.txt"]
    recipes = script.recipes_of(parse(script.COMMAND, words))
    assert {name: (flags["epochs"], flags["flip"]) for name, flags in recipes.items()} == {
        "one": (2, True),
        "other": (5, False),
    }


@pytest.mark.parametrize(
    ("lines", "words", "message"),
    [
        ("one: --epoch=2", [], "recipes.txt, line 1: "),
        ("\none --epochs=2", [], "recipes.txt, line 2: 'one --epochs=2'; expected NAME: FLAGS"),
        ("one: --flip\none: --epochs=2", [], "recipes.txt, line 2: 'one: --epochs=2'; expected NAME: FLAGS, each name"),
        ("../one: --flip", [], "expected NAME: FLAGS"),
        ("# none", [], "has no recipe"),
        ("one: --run_dir=here", [], "--run_dir is for each training; give --out"),
        ("one: --genotype=FPM", [], "FPM"),
        ("one: --backbone_rate=0", [], "--backbone_rate=0"),
        ("one: --epochs=3", ["--runs=1"], "runs/seeds/one-0 was made with --epochs=2, not 3; give that, or another"),
        ("one: --epochs=2", ["--runs=1", "--figures=mIoU"], "--figures: no 'mIoU'; expected some of mAP, AP50"),
    ],
)
def test_wrong_recipes_are_told_in_a_line(
    lines: str, words: list[str], message: str, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--genotype=FPN", "--variants=recipes.txt", *words]
    Path("recipes.txt").write_text("one: --epochs=2")
    finish(script, words[:2], "one", 0, 0.5, 0.5)
    Path("recipes.txt").write_text(lines)
    assert script.main(words) == WRONG_USE
    output, errors = capsys.readouterr()
    assert output == ""
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_a_missing_genotype_is_told(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--epochs=2"]) == WRONG_USE
    assert "--genotype is missing" in capsys.readouterr().err


@pytest.mark.long
def test_trainings_differ_by_seed_and_are_kept(script: Any, capfd: pytest.CaptureFixture[str]) -> None:
    tiny = ("--dataset=digits", "--network=proxy", "--cells=1", "--filters=2", "--reductions=1", "--epochs=1")
    words = ["--genotype=NASNet-A", *tiny, "--batch_size=512", "--runs=2", "--json"]
    assert script.main([*words, "--parts=1"]) == DONE
    (first,) = json.loads(capfd.readouterr().out)
    assert first["runs"] == 1
    assert script.main(words) == DONE
    (both,) = json.loads(capfd.readouterr().out)
    results = [TrainingFolder(f"runs/seeds/training-{seed}").read_results() for seed in (0, 1)]
    losses = [one["train"]["loss"] for one in results]
    assert losses[0] != losses[1]
    assert both["test accuracy"]["mean"] == pytest.approx(np.mean([one["final_test"]["accuracy"] for one in results]))
    assert script.main(words) == DONE
    assert json.loads(capfd.readouterr().out) == [both]
