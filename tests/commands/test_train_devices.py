"""`rl_nas train` in real processes: on several devices and workers, with wrong flags and broken data."""

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from processes import TINY_TRAINING, beyond_first_lines, classes, command, environment, refuse, results, run
from watchdog import TIMEOUT


@pytest.mark.long
def test_two_workers_train_one_network(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        ports = []
        for sock in (one, other):
            sock.bind(("localhost", 0))
            ports.append(sock.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    folder = tmp_path / "run"
    words = [*TINY_TRAINING, "--distribute=multiworker", f"--run_dir={folder}"]
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
        ends = [process.communicate(timeout=TIMEOUT) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], ends
    found = results(folder)
    assert found["devices"] == 2
    assert found["valid"]["accuracy"] > 0.6
    check_classes(folder, found)
    assert ends[1][0] == ""  # the first one tells


@pytest.mark.long
def test_devices_that_the_cpu_is_split_into(tmp_path: Path) -> None:
    words = [
        *TINY_TRAINING,
        "--distribute=mirrored",
        "--logical_cpus=2",
        "--precision=float16",
        "--nofinal_test",
        "--json",
    ]
    done = run("train", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["devices"], found["precision"], found["final_test"]) == (2, "float16", None)
    assert found["valid"]["accuracy"] > 0.6
    check_classes(tmp_path / "run", found)


def check_classes(folder: Path, found: dict[str, Any]) -> None:
    """The classes are of all images that were measured, on whichever device, and of no other."""
    counted = classes(folder)["valid"].classes
    assert sum(one.actual for one in counted) == sum(one.predicted for one in counted) == found["valid"]["images"]
    rights = sum(one.right for one in counted)
    assert rights / found["valid"]["images"] == pytest.approx(found["valid"]["accuracy"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--genotype is missing"),
        (["--genotype=NASNet-Z"], "did you mean NASNet-A?"),
        (["--genotype=NASNet-A"], "--dataset is missing; give the images to train on"),
        (
            ["--genotype=NASNet-A", "--dataset=digits", "--auxiliary"],
            "the auxiliary head pools 5x5 pixels, but gets 4x4; give --noauxiliary or larger images",
        ),
        (
            ["--genotype=NASNet-A", "--dataset=digits", "--tpu=mine"],
            "--data_dir is missing; the hosts of --tpu=mine reach only folders",
        ),
        (
            ["--genotype=NASNet-A", "--dataset=digits", "--tpu=mine", "--data_dir=gs://b/tfds",
             "--checkpoint_dir=/tmp"],
            "--checkpoint_dir=/tmp is local",
        ),
        (
            ["--genotype=NASNet-A", "--dataset=digits", "--distribute=multiworker"],
            "needs the environment variable TF_CONFIG",
        ),
        (["--genotype=NASNet-A", "--network=proxy", "--logical_cpus=2", "--distribute=mirrored", "--batch_size=7",
          "--dataset=digits"], "--batch_size=7 cannot be split over 2 devices; give a multiple of 2"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    start = run if "--logical_cpus=2" in words else refuse  # devices are a process's once and for all
    done = start("train", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1
    assert not (tmp_path / "run").exists()


def test_a_diverged_training_names_its_last_good_checkpoint(tmp_path: Path) -> None:
    # The warm-up makes the first steps harmless.
    words = ["--warmup_epochs=400", "--learning_rate=1e9", "--clip_norm=0", "--nofinal_test"]
    done = run("train", *TINY_TRAINING, *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 1
    assert "training diverged: the loss is nan" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_an_image_of_the_final_test_that_cannot_be_read_is_told_before_the_training(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        (tmp_path / "photos" / split / name).mkdir(parents=True)
        for number in range(6):
            image = np.full((8, 8, 3), 20 * number)
            keras.utils.array_to_img(image, scale=False).save(tmp_path / "photos" / split / name / f"{number}.png")
    broken = tmp_path / "photos" / "test" / "b" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    words = [word for word in TINY_TRAINING if not word.startswith("--dataset")]
    photos = [f"--dataset=folder:{tmp_path / 'photos'}", "--image_size=8", "--epochs=1", "--valid_images=2"]
    done = run("train", *words, *photos, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"rl_nas train: {broken} cannot be decoded; fix or remove it"
    assert not (tmp_path / "run").exists()  # it was looked at before the training
