"""Found cells beside stock networks: equal seconds of CPU, results that are kept, and the table of their means."""

import importlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rl_nas.exit_codes import DONE, FAILED, WRONG_USE

FOLDER = Path(__file__).parents[2] / "benchmarks"
TEST = 6
WORDS = [
    *("--dataset=folder:images", "--space=nasbench201", "--cells=1", "--filters=2", "--reductions=1"),
    *("--batch_size=4", "--learning_rate=0.01", "--runs=2", "--random_cells=0", "--networks=resnet_cell"),
]
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


@pytest.fixture(name="script")
def _script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark, in a folder with 16 images to train on and six for the test."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for split, name, count in itertools.product(("train", "test"), "ab", (8,)):
        folder = Path("images", split, name)
        folder.mkdir(parents=True)
        for number in range(count if split == "train" else TEST // 2):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{number}.png")
    script = importlib.import_module("worth_it")
    monkeypatch.setattr(script, "tensorflow_with_threads", lambda threads: None)  # other tests have computed before
    return script


def kept() -> dict[str, dict[str, float]]:
    """Results of trainings by key."""
    found: dict[str, dict[str, float]] = json.loads(Path("worth.json").read_text())["trainings"]
    return found


def cells(line: str) -> list[str]:
    return line[2:-2].split(" | ")


def test_trainings_are_kept_and_their_means_shown(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--seconds=0.01"]
    assert script.main([*words, "--parts=1"]) == DONE
    assert "stopped after 1 trainings; the same command goes on" in capsys.readouterr().err
    assert list(kept()) == [f"seed 0: {RESNET}"]
    (one,) = kept().values()
    assert one["images"] == TEST
    assert one["epochs"] == one["steps"] * 4 / 16
    document = json.loads(Path("worth.json").read_text())
    qualities = {f"seed 0: {RESNET}": 0.25, f"seed 1: {RESNET}": 0.75}
    document["trainings"] = {key: {**one, "quality": quality} for key, quality in qualities.items()}
    Path("worth.json").write_text(json.dumps(document))
    assert script.main(words) == DONE
    output, errors = capsys.readouterr()
    assert "training" not in errors
    head, _, row = output.splitlines()
    assert cells(head)[-1] == "test accuracy"
    expected = ["resnet_cell", "2", f"{one['parameters']:,}", f"{one['madds']:,}"]
    assert cells(row)[:4] == expected
    assert cells(row)[-2:] == ["6", "0.5000 [0.2500, 0.7500]"]
    assert script.main([*words, "--seconds=0.02"]) == WRONG_USE
    assert "worth.json was made with --seconds=0.01, not 0.02" in capsys.readouterr().err
    assert script.main([*words, "--images=8"]) == WRONG_USE
    assert "worth.json was made with --images=None, not 8" in capsys.readouterr().err


def test_a_budget_is_spent_on_the_steps_that_fit(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every piece of work takes a second: ten steps of a second, and the first, which is not timed."""
    training = importlib.import_module("cpu_training")
    monkeypatch.setattr(training.time, "process_time", itertools.count().__next__)
    words = [*WORDS, "--seconds=10", "--runs=1", "--networks=", "--random_cells=2", "--images=12"]
    assert script.main(words) == DONE
    assert [(one["steps"], one["epochs"]) for one in kept().values()] == [(11, 11 * 4 / 12)] * 2
    assert {key[:7] for key in kept()} == {"seed 0:", "seed 1:"}


def test_a_training_that_diverges_is_no_result(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([*WORDS, "--seconds=0.01", "--learning_rate=1e18", "--clip_norm=0"]) == FAILED
    assert "lower --learning_rate" in capsys.readouterr().err
    assert not Path("worth.json").exists()


def test_what_is_found_is_the_best_of_a_search(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    best = Path("runs/mine/best")
    best.mkdir(parents=True)
    operations = ["nor_conv_3x3", "none", "nor_conv_3x3", "skip_connect", "none", "skip_connect"]
    (best / "genotype.json").write_text(json.dumps({"schema": 1, "kind": "nasbench201", "ops": operations}))
    words = [*WORDS, "--seconds=0.01", "--runs=1", "--found=runs/mine"]
    assert script.main(words) == DONE
    output, errors = capsys.readouterr()
    assert [cells(line)[0] for line in output.splitlines()[2:]] == ["best of mine", "resnet_cell"]
    assert errors.count("training ") == 1  # they are the same cell
    assert script.main([*words, "--out=nowhere/worth.json"]) == WRONG_USE
    assert "no folder nowhere" in capsys.readouterr().err
    assert script.main([*words, "--seconds=2", "--reductions=5", "--out=other.json"]) == WRONG_USE
    assert "training " not in capsys.readouterr().err
    assert script.main([*words, "--networks=vgg"]) == WRONG_USE
    assert "no 'vgg'; expected some of resnet_cell, nasnet_a, mobilenet_v2" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "parameters", "madds"), [("mobilenet_v2", 1.66e6, 59e6), ("efficientnet_b0", 5.3e6, 390e6)]
)
def test_stock_networks_are_as_large_as_published(script: Any, name: str, parameters: float, madds: float) -> None:
    """Sizes for ImageNet at 224x224 pixels: of the released MobileNetV2 0.35, and in Tan and Le 2019, table 2."""
    stock = importlib.import_module("stock_networks")
    model = stock.classifier(stock.STOCK[name], (224, 224, 3), 1000, seed=0)
    assert model.count_params() == pytest.approx(parameters, rel=0.02)
    assert stock.multiply_adds(model) == pytest.approx(madds, rel=0.02)
    averages = [layer.momentum for layer in model.layers if hasattr(layer, "momentum")]
    assert averages
    assert set(averages) == {0.9}


@pytest.mark.long
def test_stock_networks_are_trained_by_the_same_steps(script: Any) -> None:
    words = [*WORDS, "--seconds=0.01", "--runs=1", "--networks=mobilenet_v2_double", "--image_size=32"]
    assert script.main(words) == DONE
    (one,) = kept().values()
    assert 0 <= one["quality"] <= 1
    stock = importlib.import_module("stock_networks")
    small = stock.multiply_adds(stock.classifier(stock.STOCK["mobilenet_v2"], (32, 32, 3), 2, seed=0))
    assert 3.9 < one["madds"] / small < 4  # but for the last layer, whose cost is the same
