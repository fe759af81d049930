"""A task in a folder of the tests, loaded by name, searches, trains, exports and predicts."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import image_source
from ink_column.data import annotation, ink_column
from ink_column.task import InkColumn
from processes import beyond_first_lines, results, run

from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.images import load_images
from rl_nas.child.data.settings import AugmentSettings, DataSettings
from rl_nas.store.trials import read_trials
from rl_nas.tasks.sources import open_source

TESTS = Path(__file__).parents[1]
NAME = "ink_column.task:InkColumn"
TASK = f"--task={NAME}"
DATA = (TASK, "--dataset=digits", "--valid_images=150")
NETWORK = ("--cells=1", "--filters=8", "--reductions=1")
SEARCH = (
    *("--space=nasbench201", "--strategy=random", *NETWORK, "--epochs=1", "--batch_size=90", "--learning_rate=0.02"),
    *("--trials=2", "--update_every=2", "--train_images=450", "--crop_margin=1", "--flip"),
)
EDGES = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"


def own(verb: str, *words: str | Path) -> Any:
    """A command in the folder that the task lies in."""
    return run(verb, *words, cwd=TESTS)


def test_targets_move_with_the_pixels() -> None:
    """What the warp says of mirrored and shifted images is what is seen on them, up to ink that a crop cut off."""
    data = load_images(open_source(DataSettings(dataset="digits", image_size="12x16"), NAME).source)
    images = tf.cast(data.train_images[:64], tf.float32)
    # Images of 8x8 pixels were enlarged: their ink lies where it did, up to rounding.
    resized = tf.map_fn(ink_column, images)
    np.testing.assert_allclose(data.train_targets["column"][:64], resized, atol=0.1)
    whole = tf.pad(images[:, :, 1:-1], [[0, 0], [0, 0], [1, 1], [0, 0]])
    before = {"column": tf.map_fn(ink_column, whole)}
    settings = AugmentSettings(crop_margin=1, flip=True)
    moved, geometry = augment(whole, tf.constant([1, 2]), settings)
    assert geometry.mirrored is not None
    assert 0 < np.mean(geometry.mirrored) < 1
    error = np.abs(annotation().warped(before, geometry)["column"] - tf.map_fn(ink_column, moved))
    assert np.max(error) < 0.5
    assert np.median(error) < 0.05


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ink") / "trained"
    recipe = ("--epochs=6", "--batch_size=50", "--learning_rate=0.02", "--crop_margin=1", "--flip")
    done = own("train", *DATA, f"--genotype={EDGES}", *NETWORK, *recipe, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert "valid r2" in done.stderr
    return folder


@pytest.mark.long
def test_a_training_learns_from_mirrored_and_shifted_images(trained: Path) -> None:
    """Did the targets not move with the pixels, nothing of their variance could be explained."""
    found = results(trained)["final_test"]
    assert found["r2"] > 0.6, found
    assert found["rmse"] < 0.25, found


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ink") / "exported"
    done = own("export", TASK, f"--model={trained}", "--format=saved_model,keras,tflite", f"--out={out}", "--json")
    assert done.returncode == 0, done.stderr
    formats = json.loads(done.stdout)["formats"]
    assert all(formats[name]["max_difference"] < 1e-4 for name in ("saved_model", "keras", "tflite_float32"))
    return out


@pytest.mark.long
def test_an_exported_network_predicts_where_the_ink_is(exported: Path, tmp_path: Path) -> None:
    extra = exported / "saved_model/assets.extra"
    assert ((extra / "task.txt").read_text(), (extra / "labels.txt").read_text()) == ("ink_column\n", "")
    image = np.zeros((8, 8, 1), np.uint8)
    image[1:7, 1:4] = 200
    for name, pixels in (("left", image), ("right", image[:, ::-1])):
        keras.utils.array_to_img(pixels, scale=False).save(tmp_path / f"{name}.png")
    files = [str(tmp_path / f"{name}.png") for name in ("left", "right")]
    done = own("predict", TASK, f"--model={exported / 'saved_model'}", "--json", *files)
    assert done.returncode == 0, done.stderr
    left, right = (one["column"] for one in json.loads(done.stdout).values())
    assert left + 1 < right
    text = own("predict", TASK, f"--model={exported / 'saved_model'}", files[0])
    assert text.stdout.rstrip() == f"{files[0]}  ink at column {left:.2f}"


@pytest.mark.long
def test_code_that_files_name_is_not_imported(
    exported: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "others"))
    (tmp_path / "x.png").touch()
    done = own("predict", f"--model={exported / 'saved_model'}", tmp_path / "x.png")
    assert done.returncode == 2
    assert "is of task 'ink_column'; give its code with --task=module:NAME if you trust it" in done.stderr
    done = own("export", f"--model={trained}", f"--out={tmp_path / 'out'}")
    assert done.returncode == 2
    assert "which you did not start here" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_search_maximizes_its_metric(executor: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = own("search", *DATA, *SEARCH, f"--executor={executor}", "--workers=1", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    measured = [trial.measurement for trial in read_trials(folder / "trials.sqlite")]
    assert [one.quality_name for one in measured if one] == ["r2", "r2"]
    assert "Best child: trial " in done.stdout.splitlines()[-1]
    assert f", r2 {max(one.quality for one in measured if one):.4f} on 150 held-out images" in done.stdout
    more = own("search", "--resume", TASK, "--trials=3", f"--run_dir={folder}")
    assert more.returncode == 0, more.stderr
    assert len(read_trials(folder / "trials.sqlite")) == 3
    listed = own("runs", folder)
    assert "r2" in listed.stdout


@pytest.mark.long
def test_it_can_share_weights(tmp_path: Path) -> None:
    words = (*DATA, *SEARCH, "--estimator=shared", "--shared_epochs=1", "--shared_samples=3", "--executor=inline")
    done = own("search", *words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "trained alone, these reach:" in done.stdout


@contextlib.contextmanager
def nothing_written(folder: Path) -> Iterator[None]:
    yield
    assert not any(folder.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", f"--genotype={EDGES}", "--mixup=0.2"), "--mixup=0.2 is not possible with --task=ink_column"),
        (
            ("train", f"--genotype={EDGES}", "--label_smoothing=0.1"),
            "--label_smoothing=0.1 has no effect with --task=ink_column",
        ),
        (("search", "--filter=naswot"), "naswot is not possible with --task=ink_column; leave it out"),
    ],
)
def test_what_the_task_cannot_do_is_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    verb, *flags = words
    with nothing_written(tmp_path):
        done = own(verb, *DATA, *flags, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1


def test_the_catalog_does_not_know_it() -> None:
    source = image_source(DataSettings(dataset="digits"))
    assert InkColumn().annotation({"label": None}, (), {}) is None
    assert source.annotation.class_names == tuple(map(str, range(10)))  # without the flag: classification
