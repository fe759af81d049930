"""`rl_nas train` in real processes: what a training leaves, repeats, survives and refuses."""

import json
import math
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from processes import command, environment, rest_of, run, started, wait_for_line

EDGES = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
TINY = (
    f"--genotype={EDGES}",
    "--dataset=digits",
    "--cells=1",
    "--filters=4",
    "--epochs=4",
    "--batch_size=60",
    "--weight_decay=0.0001",
    "--crop_margin=1",
    "--seed=3",
    "--steps_per_loop=5",
)
TRICKS = ("--mixup=0.2", "--ema_decay=0.9", "--color=0.2", "--cutout=2", "--checkpoint_steps=10", "--dropout=0.1")


def results(folder: Path) -> dict[str, Any]:
    """The results but for wall time."""
    found = json.loads((folder / "results.json").read_text())
    assert found.pop("seconds") > 0
    return found


def history(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "unbroken"
    done = run("train", *TINY, *TRICKS, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert "images of split test: final" in done.stdout
    assert len(done.stderr.splitlines()) == 4  # one an epoch
    return folder


def test_results_are_what_the_saved_model_computes(unbroken: Path) -> None:
    from rl_nas.child.settings import DataSettings
    from rl_nas.child.source import ImageSource

    found = results(unbroken)
    source = ImageSource(DataSettings(dataset="digits"))
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
    parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert parameters == found["network"]["trainable_parameters"]


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 3])
def test_killed_trainings_end_as_the_unbroken_one(unbroken: Path, tmp_path: Path, epoch: int) -> None:
    folder = tmp_path / "killed"
    with started("train", *TINY, *TRICKS, f"--run_dir={folder}") as process:
        wait_for_line(process, f"epoch {epoch}/4")
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not (folder / "results.json").exists()
    done = run("train", "--resume", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert results(folder) == results(unbroken)
    assert history(folder) == history(unbroken)
    ours, theirs = (keras.models.load_model(f / "model.keras", compile=False) for f in (folder, unbroken))
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_ctrl_c_tells_how_to_go_on_and_a_finished_run_is_shown_again(unbroken: Path, tmp_path: Path) -> None:
    with started("train", *TINY, f"--run_dir={tmp_path / 'run'}") as process:
        wait_for_line(process, "epoch 1/4")
        process.send_signal(signal.SIGINT)
        code, _, errors = rest_of(process)
    assert code == 130
    assert errors.splitlines()[-1] == f"stopped; continue with: rl_nas train --resume --run_dir={tmp_path / 'run'}"
    again = run("train", "--resume", "--json", f"--run_dir={unbroken}")
    assert again.returncode == 0
    assert json.loads(again.stdout) == json.loads((unbroken / "results.json").read_text())


@pytest.mark.slow
def test_two_workers_train_one_network(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        ports = []
        for sock in (one, other):
            sock.bind(("localhost", 0))
            ports.append(sock.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    folder = tmp_path / "run"
    words = [*TINY, "--distribute=multiworker", f"--run_dir={folder}"]
    processes = []
    for index in range(2):
        variables = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
        processes.append(
            subprocess.Popen(
                command("train", *words),
                env=environment(**variables),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        ends = [process.communicate(timeout=250) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], ends
    found = results(folder)
    assert found["devices"] == 2
    assert found["valid"]["accuracy"] > 0.6
    assert ends[1][0] == ""  # the first one tells


@pytest.mark.slow
def test_devices_that_the_cpu_is_split_into(tmp_path: Path) -> None:
    words = [*TINY, "--distribute=mirrored", "--logical_cpus=2", "--precision=float16", "--nofinal_test", "--json"]
    done = run("train", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["devices"], found["precision"], found["final_test"]) == (2, "float16", None)
    assert found["valid"]["accuracy"] > 0.6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--genotype is missing"),
        (["--genotype=NASNet-Z"], "did you mean NASNet-A?"),
        (["--genotype=NASNet-A", "--dataset=digits"], "the auxiliary head pools 5x5 pixels and meets 4x4"),
        (["--genotype=NASNet-A", "--tpu=mine"], "--data_dir is missing; the hosts of --tpu=mine reach only folders"),
        (
            ["--genotype=NASNet-A", "--tpu=mine", "--data_dir=gs://b/tfds", "--checkpoint_dir=/tmp"],
            "--checkpoint_dir=/tmp is local",
        ),
        (["--genotype=NASNet-A", "--distribute=multiworker"], "needs the environment variable TF_CONFIG"),
        (["--genotype=NASNet-A", "--network=proxy", "--logical_cpus=2", "--distribute=mirrored", "--batch_size=7",
          "--dataset=digits"], "--batch_size=7 cannot be dealt to 2 devices; give a multiple of 2"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    done = run("train", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_only_as_it_was(unbroken: Path) -> None:
    for words, message in (
        (["--genotype=NASNet-A"], "--genotype=NASNet-A is not what"),
        (["--epochs=5"], "--epochs=5, but the run was started with 4"),
    ):
        done = run("train", "--resume", f"--run_dir={unbroken}", *words)
        assert done.returncode == 2
        assert message in done.stderr


def test_a_diverged_training_names_its_last_good_checkpoint(tmp_path: Path) -> None:
    # The warm-up makes the first steps harmless.
    words = ["--warmup_epochs=400", "--learning_rate=1e9", "--clip_norm=0", "--nofinal_test"]
    done = run("train", *TINY, *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 1
    assert "training diverged: the loss is nan" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_training_starts_from_another(unbroken: Path, tmp_path: Path) -> None:
    words = [*TINY, f"--init={unbroken}", "--freeze=backbone", "--nofinal_test", f"--run_dir={tmp_path / 'run'}"]
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


def test_starts_from_what_does_not_fit_are_one_line(unbroken: Path, tmp_path: Path) -> None:
    words = ["--genotype=NASNet-A", "--network=proxy", "--dataset=digits", f"--init={unbroken}"]
    done = run("train", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert f"--init={unbroken} is a network of another genotype; give --genotype={unbroken}" in done.stderr
    other = run("train", *TINY, "--cells=2", f"--init={unbroken}", f"--run_dir={tmp_path / 'run'}")
    assert other.returncode == 2
    assert "give the --genotype, --network, --cells and --filters that it was trained with" in other.stderr
    place = f"--checkpoint_dir={unbroken / 'checkpoints'}"
    taken = run("train", *TINY, place, f"--run_dir={tmp_path / 'run'}")
    assert taken.returncode == 2
    assert f"{place} holds another training's checkpoints" in taken.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        (tmp_path / "photos" / split / name).mkdir(parents=True)
        for number in range(6):
            image = np.full((8, 8, 3), 20 * number)
            keras.utils.array_to_img(image, scale=False).save(tmp_path / "photos" / split / name / f"{number}.png")
    broken = tmp_path / "photos" / "test" / "b" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    words = [word for word in TINY if not word.startswith("--dataset")]
    photos = [f"--dataset=folder:{tmp_path / 'photos'}", "--image_size=8", "--epochs=1", "--valid_images=2"]
    done = run("train", *words, *photos, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"rl_nas train: {broken} cannot be decoded; mend or remove it"
