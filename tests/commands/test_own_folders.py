"""Folders of a user's images in searches and trainings: what is decided is told, recorded and kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from processes import TINY_TRAINING, results, run

TRAIN = [word for word in TINY_TRAINING if not word.startswith(("--dataset", "--epochs", "--batch_size"))]
TRAIN += ["--epochs=1", "--batch_size=8"]
SEARCH = ("--blocks=1", "--filters=2", "--epochs=1", "--update_every=1", "--strategy=random", "--executor=inline")
ENDINGS = (".png", ".jpg", ".bmp", ".webp", ".tif", ".gif")


def photos(folder: Path, count: int = 12) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = PIL.Image.fromarray(rng.integers(0, 256, [8, 8, 3], np.uint8))
            image.save(folder / name / f"{number}{ENDINGS[number % len(ENDINGS)]}")
    return folder


def flags(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())["flags"]
    return found


@pytest.mark.long
def test_a_training_takes_the_validation_split_and_gives_no_final_number(tmp_path: Path) -> None:
    for split in ("train", "val"):
        photos(tmp_path / "photos" / split)
    done = run("train", *TRAIN, "--dataset=./photos", "--valid_split=validation", "--run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = (
        "no final measurement: --dataset=folder:./photos has train, val, of which val is held out by --valid_split;"
        " expected a split test, validation, val, valid besides; --test_fraction leaves a part of the training split"
        " for it"
    )
    assert told in done.stderr.splitlines()
    assert "image size: 8x8, that of all 48 images" in done.stderr.splitlines()
    found = results(tmp_path / "run")
    assert (found["valid"]["split"], found["valid"]["images"], found["final_test"]) == ("val", 24, None)
    assert " on 24 images of split val" in done.stdout
    assert " (95%: " in done.stdout
    recorded = flags(tmp_path / "run")
    assert (recorded["dataset"], recorded["valid_split"]) == (f"folder:{tmp_path}/photos", "val")


@pytest.mark.long
def test_what_follows_the_data_is_told_and_recorded(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    auto = ("--auto=image_size,valid_fraction,test_fraction,epochs,batch_size,reductions", "--update_every=1")
    words = ("search", "--dataset=./photos", *auto, *SEARCH, "--run_dir=run")
    done = run(*words, "--trials=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {"image_size": "8x8", "valid_fraction": 0.25, "test_fraction": 0.25, "batch_size": 8, "reductions": 1}
    told = " ".join(f"--{name}={value}" for name, value in found.items())
    assert f"--auto, by the data: {told}" in done.stderr.splitlines()
    recorded = flags(tmp_path / "run")
    assert recorded.items() >= {**found, "epochs": 1, "auto": None}.items()
    assert "--auto" not in (tmp_path / "run/flags.cfg").read_text()
    # The same flags again, though the data would be found to be of another size.
    done = run("search", "--resume", *auto, "--trials=2", "--run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--auto, by the data" not in done.stderr
    assert flags(tmp_path / "run").items() >= {**found, "auto": None}.items()
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert [change["flag"] for change in config["changes"]] == ["trials"]
    assert config["data"]["held_out"] == 6


@pytest.mark.long
def test_proxies_follow_the_data_as_the_full_training_does(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    words = ("--dataset=./photos", "--blocks=1", "--filters=2", "--trials=3", "--workers=1", "--scores=none")
    ways = ("--auto=epochs,batch_size,reductions", "--epochs=1", "--proxies=train_images=8", "--run_dir=run")
    done = run("proxy", *words, *ways, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("--auto, ")] == [
        "--auto, by the data: --batch_size=8 --reductions=1"
    ]
    assert flags(tmp_path / "run").items() >= {"batch_size": 8, "reductions": 1, "epochs": 1, "auto": None}.items()


@pytest.mark.long
def test_a_search_records_that_classes_gave_the_same_fraction(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    (folder / "dog/link.png").symlink_to(photos(tmp_path / "elsewhere") / "dog/0.png")
    words = ("search", f"--dataset={folder}", *SEARCH, "--run_dir=run")
    done = run(*words, "--trials=1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "put the files themselves there (cp -rL), or give --trust to follow them"
    )
    assert not (tmp_path / "run").exists()
    done = run(*words, "--trials=1", "--trust", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "links out of the folder: 1" in done.stderr
    assert "The best of 1 child (0 failed), measured on 2 held-out images of the training split:" in done.stdout
    assert flags(tmp_path / "run")["stratify"] == "yes"
    # Trust is of a call: links may lead elsewhere tomorrow.
    done = run("search", "--resume", "--trials=2", "--run_dir=run", cwd=tmp_path)
    assert done.returncode == 2
    done = run("search", "--resume", "--trials=2", "--run_dir=run", "--trust", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    changes = json.loads((tmp_path / "run/config.json").read_text())["changes"]
    assert [change["flag"] for change in changes] == ["trials"]
