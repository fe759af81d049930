"""Searches and trainings leave a picture of what their networks predict."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from processes import EDGES, TINY_TRAINING, run

COLORS = ((200, 60, 40), (40, 180, 60), (50, 60, 190))
NETWORK = ("--cells=1", "--filters=4", "--reductions=2", "--head_filters=8")
TRAINING = ("--epochs=1", "--batch_size=8", "--learning_rate=0.02", "--valid_images=6", "--image_size=16x24")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three colors with masks, of which one row is ignored, and the colors of the classes."""
    root = tmp_path_factory.mktemp("data")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    (root / "classes.txt").write_text("a 255 0 0\nb 0 255 0\nc 0 0 255\nignore 0 0 0\n")
    rng = np.random.default_rng(0)
    for number in range(22):
        classes = rng.integers(0, 3, [4, 6]).repeat(4, axis=0).repeat(4, axis=1)
        PIL.Image.fromarray(np.array(COLORS, np.uint8)[classes]).save(root / f"images/{number}.png")
        mask = np.eye(3, dtype=np.uint8)[classes] * 255
        mask[:1] = 0
        PIL.Image.fromarray(mask).save(root / f"masks/{number}.png")
    return root


def colors(path: Path) -> set[tuple[int, ...]]:
    with PIL.Image.open(path) as image:
        return {tuple(color) for color in np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()}


@pytest.mark.long
def test_a_training_shows_masks_in_the_colors_of_the_data_set(folder: Path, tmp_path: Path) -> None:
    words = ("--task=segmentation", f"--dataset=folder:{folder}", f"--genotype={EDGES}", *NETWORK, *TRAINING)
    done = run("train", *words, "--nofinal_test", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "run/examples.png"
    assert f"its predictions {picture}" in " ".join(done.stdout.split())
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255), (130, 130, 130), (0, 0, 0)} <= colors(picture)
    done = run("export", f"--model={tmp_path / 'run'}", f"--out={tmp_path / 'exported'}")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "exported/saved_model/assets.extra/mask_values.txt").read_text()
    assert text == "0 a\n1 b\n2 c\n255 ignore\n#000000 ignore\n#0000ff c\n#00ff00 b\n#ff0000 a\n"
    # A layout of the task brings its masks.
    done = run("predict", f"--model={tmp_path / 'exported'}", "--json", f"--out={tmp_path / 'out'}", folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["images"] == 22
    shown = np.asarray(PIL.Image.open(tmp_path / "out/masks/3.png").convert("RGB")).reshape(-1, 3)
    assert {tuple(color) for color in shown.tolist()} <= {(255, 0, 0), (0, 255, 0), (0, 0, 255)}


@pytest.mark.long
def test_a_search_shows_the_predictions_of_its_best_child(folder: Path, tmp_path: Path) -> None:
    words = ("--task=segmentation", f"--dataset=folder:{folder}", "--space=dpc", f"--backbone={EDGES}", *NETWORK)
    run_words = ("--trials=1", "--update_every=1", "--executor=inline", f"--feature_dir={tmp_path / 'features'}")
    done = run("search", *words, *TRAINING, *run_words, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "run/best/examples.png"
    assert f"its predictions  {picture}" in done.stdout
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255), (130, 130, 130)} <= colors(picture)
    assert (tmp_path / "run/best/saved_model/assets.extra/mask_values.txt").is_file()
    before = picture.read_bytes()
    again = run("search", "--resume", f"--run_dir={tmp_path / 'run'}")
    assert again.returncode == 0, again.stderr
    assert picture.read_bytes() == before


@pytest.mark.long
def test_a_training_of_a_classifier_shows_images_and_without_held_out_ones_nothing(tmp_path: Path) -> None:
    done = run("train", *TINY_TRAINING, "--epochs=1", "--nofinal_test", f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    with PIL.Image.open(tmp_path / "run/examples.png") as image:
        assert min(image.size) > 400
    words = (*TINY_TRAINING, "--epochs=1", "--nofinal_test", "--valid_images=0", f"--run_dir={tmp_path / 'bare'}")
    done = run("train", *words)
    assert done.returncode == 0, done.stderr
    assert "predictions" not in done.stdout
    assert not (tmp_path / "bare/examples.png").exists()
