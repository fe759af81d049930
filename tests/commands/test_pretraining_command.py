"""Searched backbones of detectors, pretrained as classifiers of images of the user's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import Words, refuse, results, run

from rl_nas.child.data.shapes import draw_picture
from rl_nas.store.states import unpack
from rl_nas.store.trials import read_trials

NETWORK = ("--cells=1", "--filters=4", "--reductions=3", "--neck_filters=8", "--tower_filters=8", "--tower_layers=1")
STEPS = ("--batch_size=10", "--optimizer=adam", "--learning_rate=0.005", "--image_size=48x64")
PRETRAINING = ("--pretrain_batch_size=20", "--pretrain_image_size=16")
SPACE = ("--space=nasbench201", "--strategy=random", "--update_every=2", "--trials=2")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos of two classes: noise, and drawn shapes."""
    base, rng = tmp_path_factory.mktemp("pretraining"), np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 4)):
        for name in ("noise", "shapes"):
            folder = base / f"photos/{split}/{name}"
            folder.mkdir(parents=True)
            for number in range(count):
                image = draw_picture(rng)[0] if name == "shapes" else rng.integers(0, 256, (48, 64, 3), np.uint8)
                Image.fromarray(image).resize((16, 16)).save(folder / f"{number}.png")
    return base


@pytest.fixture(scope="module")
def boxes(base: Path) -> Words:
    sizes = ("--train_images=40", "--valid_images=20", "--epochs=1")
    return ("--task=detection", "--dataset=boxed_shapes", f"--data_dir={base / 'tfds'}", *NETWORK, *STEPS, *sizes)


@pytest.fixture(scope="module")
def pretraining(base: Path) -> Words:
    return (f"--pretrain_dataset=folder:{base / 'photos'}", "--pretrain_epochs=2", *PRETRAINING)


@pytest.fixture(scope="module")
def found(base: Path, boxes: Words, pretraining: Words) -> Path:
    recipe = base / "longer.cfg"
    recipe.write_text("\n".join(boxes) + "\n")
    then = (f"--then_train={recipe}", "--then_top=1")
    words = (*boxes, *SPACE, *pretraining, *then, "--executor=inline")
    done = run("search", *words, f"--run_dir={base / 'found'}")
    assert done.returncode == 0, done.stderr
    return base / "found"


@pytest.mark.long
def test_children_start_from_classifiers_and_keep_their_normalization(found: Path) -> None:
    trials = read_trials(found / "trials.sqlite")
    assert len(trials) == 2
    kept = {path.name: unpack(path.read_bytes()) for path in (found / "pretrained").iterdir()}
    accuracies = {state["metrics"]["pretrained_accuracy"] for state in kept.values()}
    assert len(kept) == len({trial.architecture for trial in trials})
    for trial in trials:
        assert trial.measurement is not None
        assert next(iter(trial.measurement.metrics)) == "mAP"
        assert trial.measurement.metrics["pretrained_accuracy"] in accuracies
    with np.load(next((found / "children").glob("*.npz"))) as archive:
        child = {path: archive[path] for path in archive.files}
    norms = {path for path in child if path.rpartition("/")[2] in ("gamma", "beta", "moving_mean", "moving_variance")}
    backbone = [state["weights"] for state in kept.values() if norms & state["weights"].keys()]
    changed = [
        {path for path in weights.keys() & child.keys() if not np.array_equal(weights[path], child[path])}
        for weights in backbone
    ]
    (kernels,) = [paths for paths in changed if not paths & norms]  # of the classifier that it comes from
    assert kernels
    assert not (found / "pretraining_images").exists()


@pytest.mark.long
def test_longer_trainings_start_from_the_same_classifiers(found: Path) -> None:
    """The network is the same, so that nothing is pretrained again."""
    assert len([*(found / "pretrained").iterdir()]) == 2
    (config,) = (json.loads(path.read_text()) for path in (found / "then").glob("trial*/seed0/config.json"))
    assert config["flags"]["pretrain_epochs"] == 2
    assert config["flags"]["pretrain_dir"] == str(found / "pretrained")


@pytest.mark.long
def test_workers_find_the_same_and_a_shared_folder_spares_the_pretraining(
    found: Path, base: Path, boxes: Words, pretraining: Words
) -> None:
    shared = f"--pretrain_dir={found / 'pretrained'}"
    before = {path: path.stat().st_mtime_ns for path in (found / "pretrained").iterdir()}
    words = (*boxes, *SPACE, *pretraining, shared, "--executor=processes", "--workers=2")
    done = run("search", *words, f"--run_dir={base / 'workers'}")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (found / "pretrained").iterdir()} == before
    rewards, expected = (
        {trial.index: trial.reward for trial in read_trials(folder / "trials.sqlite")}
        for folder in (base / "workers", found)
    )
    assert rewards == expected


@pytest.mark.long
def test_a_full_training_pretrains_its_backbone(base: Path, boxes: Words, pretraining: Words) -> None:
    words = (*boxes, "--genotype=NASNet-A", *pretraining, f"--run_dir={base / 'trained'}")
    done = run("train", *words)
    assert done.returncode == 0, done.stderr
    (kept,) = (base / "trained/pretrained").iterdir()
    assert results(base / "trained")["task"] == "detection"
    import keras

    network = keras.models.load_model(base / "trained/model.keras", compile=False).get_layer("network")
    weights = unpack(kept.read_bytes())["weights"]
    averages = {v.path: v.numpy() for v in network.weights if "moving" in v.path and v.path in weights}
    assert len(averages) > 20
    assert all(np.array_equal(value, weights[path]) for path, value in averages.items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--pretrain_epochs is missing: object detectors on untrained backbones find little"),
        (("--pretrain_epochs=2", "--pretrain_dataset=digits"), "=digits: its images have 1 channels, those of the"),
        (("--pretrain_images=9",), "--pretrain_images has no effect without --pretrain_epochs"),
        (
            ("--space=nas_fpn", "--backbone=NASNet-A", "--pretrain_epochs=2"),
            "--pretrain_epochs=2: --space=nas_fpn describes no backbone",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(words: Words, message: str, base: Path, boxes: Words) -> None:
    refused = refuse("search", *boxes, "--space=nasbench201", *words, f"--run_dir={base / 'refused'}")
    assert message in refused.stderr
    assert not (base / "refused").exists()
