"""Runs whose data were moved: they go on with the same data, and with no others."""

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from processes import EDGES, refuse, run

SEARCH = ("--blocks=1", "--filters=2", "--epochs=1", "--update_every=1", "--strategy=random", "--executor=inline")
TRAIN = (
    f"--genotype={EDGES}",
    "--cells=1",
    "--filters=1",
    "--reductions=0",
    "--batch_size=4",
    "--nofinal_test",
    "--noauxiliary",
)
SIZE = "--image_size=8"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for number in range(12):
            path = tmp_path / "photos" / "train" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(rng.integers(0, 256, [8, 8, 3], np.uint8)).save(path)
    return tmp_path / "photos"


def moved(photos: Path) -> tuple[str, str]:
    """The data elsewhere, and data that are nearly the same."""
    place, other = photos.parent / "moved", photos.parent / "other"
    shutil.copytree(photos, other)
    (other / "train" / "dog" / "3.png").write_bytes((other / "train" / "dog" / "4.png").read_bytes())
    photos.rename(place)
    return f"--dataset=folder:{place}", f"--dataset=folder:{other}"


@pytest.mark.long
def test_a_search_goes_on_with_its_own_data_wherever_they_are(photos: Path, tmp_path: Path) -> None:
    folder = f"--run_dir={tmp_path / 'run'}"
    done = run("search", f"--dataset=folder:{photos}", SIZE, *SEARCH, "--trials=1", folder)
    assert done.returncode == 0, done.stderr
    here, other = moved(photos)
    done = run("search", "--resume", folder, other, "--trials=2")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "was started with: it has other images or targets in split train; give the same data, or start another run"
    )
    done = run("search", "--resume", folder, here, "--trials=2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == 2
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert f"--dataset={config['flags']['dataset']}" == here
    assert "dataset" in {entry["flag"] for entry in config["changes"]}


@pytest.mark.long
def test_a_training_goes_on_with_its_own_data_wherever_they_are(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = run("train", f"--dataset=folder:{photos}", SIZE, *TRAIN, "--epochs=1", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    (folder / "results.json").unlink()
    here, other = moved(photos)
    done = run("train", "--resume", f"--run_dir={folder}", other)
    assert done.returncode == 2
    assert "it has other images or targets in split train" in done.stderr
    done = run("train", "--resume", f"--run_dir={folder}", here)
    assert done.returncode == 0, done.stderr
    assert f"--dataset={json.loads((folder / 'config.json').read_text())['flags']['dataset']}" == here


@pytest.mark.parametrize(("dataset", "known"), [("folder:/before", {}), ("digits", {"data": {}})])
def test_other_data_sets_cannot_be_given(dataset: str, known: dict[str, object], photos: Path, tmp_path: Path) -> None:
    """Runs of earlier versions do not know their data, and a named data set is no folder that was moved."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"flags": {"dataset": dataset}, "seed": 0, **known}))
    done = refuse("search", "--resume", f"--run_dir={folder}", f"--dataset=folder:{photos}")
    assert f"but the run was started with {dataset}; leave it out to resume" in done.stderr
