"""`rl_nas train` in real processes: what a training leaves, repeats, survives and starts from."""

import json
import math
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
from classifying import image_source
from processes import TINY_TRAINING, beyond_first_lines, classes, held, results, run, run_cold

from rl_nas.child.data.settings import DataSettings

TRICKS = ("--mixup=0.2", "--ema_decay=0.9", "--color=0.2", "--cutout=2", "--checkpoint_steps=10", "--dropout=0.1")


def history(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second", "waiting")} for line in lines]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "unbroken"
    done = run_cold("train", *TINY_TRAINING, *TRICKS, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert "images of split test: final" in done.stdout
    assert len(beyond_first_lines(done.stderr)) == 4  # one an epoch
    return folder


def test_results_are_what_the_saved_model_computes(unbroken: Path) -> None:
    found = results(unbroken)
    source = image_source(DataSettings(dataset="digits"))
    assert found["train"]["images"] + found["valid"]["images"] == source.size("train")
    assert found["final_test"]["split"] == "test"
    assert found["final_test"]["images"] == source.size("test")
    model = keras.models.load_model(unbroken / "model.keras", compile=False)
    examples = list(source.encoded("test").as_numpy_iterator())
    images = np.stack([source.decode(encoded).numpy() for _, encoded, _ in examples])
    labels = np.array([label for *_, label in examples])
    probabilities = np.asarray(model(images))
    assert np.mean(probabilities.argmax(-1) == labels) == pytest.approx(found["final_test"]["accuracy"])
    loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert loss == pytest.approx(found["final_test"]["loss"], rel=1e-3)
    assert found["final_test"]["accuracy"] > 0.5
    test = classes(unbroken)["final_test"].classes
    assert [(one.name, one.actual, one.predicted, one.right) for one in test] == [
        (str(n), *(int(np.sum(of)) for of in (labels == n, taken == n, (labels == n) & (taken == n))))
        for taken in [probabilities.argmax(-1)]
        for n in range(10)
    ]
    parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert parameters == found["network"]["trainable_parameters"]


@pytest.mark.long
@pytest.mark.parametrize("epoch", [1, 3])
def test_killed_trainings_end_as_the_unbroken_one(unbroken: Path, tmp_path: Path, epoch: int) -> None:
    folder = tmp_path / "killed"
    with held("train", *TINY_TRAINING, *TRICKS, f"--run_dir={folder}", line=f"epoch {epoch}/4") as command:
        command.kill()
    assert not (folder / "results.json").exists()
    done = run("train", "--resume", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert results(folder) == results(unbroken)
    assert history(folder) == history(unbroken)
    ours, theirs = (keras.models.load_model(f / "model.keras", compile=False) for f in (folder, unbroken))
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    "stop", [signal.SIGINT, *(pytest.param(one, marks=pytest.mark.long) for one in (signal.SIGTERM, signal.SIGHUP))]
)
def test_ctrl_c_tells_how_to_go_on_and_a_finished_run_is_shown_again(
    unbroken: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    with held("train", *TINY_TRAINING, f"--run_dir={tmp_path / 'run'}", line="epoch 1/4") as command:
        command.process.send_signal(stop)
        code, _, errors = command.rest()
    assert code == 130
    assert errors.splitlines()[-1] == f"stopped; continue with: rl_nas train --resume --run_dir={tmp_path / 'run'}"
    again = run("train", "--resume", "--json", f"--run_dir={unbroken}")
    assert again.returncode == 0
    assert json.loads(again.stdout) == json.loads((unbroken / "results.json").read_text())


def test_a_run_goes_on_only_as_it_was(unbroken: Path) -> None:
    for words, message in (
        (["--genotype=NASNet-A"], "--genotype=NASNet-A is not what"),
        (["--epochs=5"], "--epochs=5, but the run was started with 4"),
    ):
        done = run("train", "--resume", f"--run_dir={unbroken}", *words)
        assert done.returncode == 2
        assert message in done.stderr


@pytest.mark.long
def test_xla_trains_networks_with_max_pooling(tmp_path: Path) -> None:
    small = ("--dataset=digits", "--genotype=ENAS-micro", "--cells=1", "--reductions=1", "--filters=4", "--epochs=1")
    done = run_cold("train", *small, "--jit_compile=on", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "run")["final_test"]["images"] == image_source(DataSettings(dataset="digits")).size(
        "test"
    )


@pytest.mark.long
def test_a_training_starts_from_another(unbroken: Path, tmp_path: Path) -> None:
    words = [
        *TINY_TRAINING,
        f"--init={unbroken}",
        "--freeze=backbone",
        "--nofinal_test",
        f"--run_dir={tmp_path / 'run'}",
    ]
    done = run("train", *words, "--epochs=1", "--learning_rate=0.001")
    assert done.returncode == 0, done.stderr
    before, after = results(unbroken), results(tmp_path / "run")
    assert after["valid"]["accuracy"] == pytest.approx(before["valid"]["accuracy"], abs=0.03)
    ours, theirs = (keras.models.load_model(f / "model.keras", compile=False) for f in (tmp_path / "run", unbroken))
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        same = np.array_equal(one.numpy(), other.numpy())
        assert same != ("logits" in one.path), one.path
    data = [json.loads((f / "data.json").read_text()) for f in (tmp_path / "run", unbroken)]
    assert data[0]["mean"] == pytest.approx(data[1]["mean"])


@pytest.mark.long
def test_starts_from_what_does_not_fit_are_one_line(unbroken: Path, tmp_path: Path) -> None:
    words = ["--genotype=NASNet-A", "--network=proxy", "--dataset=digits", f"--init={unbroken}"]
    done = run("train", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert f"--init={unbroken} is a network of another genotype; give --genotype={unbroken}" in done.stderr
    other = run("train", *TINY_TRAINING, "--cells=2", f"--init={unbroken}", f"--run_dir={tmp_path / 'run'}")
    assert other.returncode == 2
    assert "give the --genotype, --network, --cells and --filters that it was trained with" in other.stderr
    place = f"--checkpoint_dir={unbroken / 'checkpoints'}"
    taken = run("train", *TINY_TRAINING, place, f"--run_dir={tmp_path / 'run'}")
    assert taken.returncode == 2
    assert f"{place} holds another training's checkpoints" in taken.stderr
    assert not (tmp_path / "run").exists()
