"""Segmentation by the command line: heads and backbones are searched, trained, exported and used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from processes import EDGES, Words, classes, refuse, results, run

from rl_nas.child.data.shapes import draw_picture
from rl_nas.store.trials import read_trials
from rl_nas.trial import Trial

TASK = "--task=segmentation"
NETWORK = ("--cells=1", "--filters=4", "--reductions=3")
HEAD = ("--head_filters=8", "--decoder_filters=4")
STEPS = ("--batch_size=20", "--optimizer=adam", "--learning_rate=0.005", "--train_images=60", "--valid_images=20")
SPACE = ("--space=dpc", "--branches=2", "--strategy=random", "--update_every=2", f"--backbone={EDGES}")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("segmentation")


@pytest.fixture(scope="module")
def shapes(base: Path) -> Words:
    return ("--dataset=shapes", f"--data_dir={base / 'tfds'}", TASK)


@pytest.fixture(scope="module")
def search(base: Path, shapes: Words) -> Words:
    features = f"--feature_dir={base / 'features'}"
    return (*shapes, *SPACE, *NETWORK, *HEAD, *STEPS, "--epochs=1", "--flip", "--trials=2", features)


def trials_of(folder: Path) -> list[Trial]:
    return read_trials(folder / "trials.sqlite")


@pytest.fixture(scope="module")
def found(base: Path, search: Words) -> Path:
    done = run("search", *search, "--executor=inline", f"--run_dir={base / 'found'}")
    assert done.returncode == 0, done.stderr
    assert "features: computing those of 140 images once" in done.stderr  # 60 twice, as some are mirrored, and 20
    assert ", mIoU 0." in done.stdout.splitlines()[-1]
    return base / "found"


@pytest.mark.long
def test_a_search_finds_a_head(found: Path) -> None:
    for trial in trials_of(found):
        assert trial.measurement is not None
        metrics = trial.measurement.metrics
        assert list(metrics)[:3] == ["mIoU", "pixel_accuracy", "loss"]
        assert trial.reward == metrics["mIoU"] == trial.measurement.quality
        assert {name.removeprefix("IoU/") for name in metrics} >= {"ground"}
    genotype = json.loads((found / "best/genotype.json").read_text())
    assert (genotype["kind"], len(genotype["branches"])) == ("dpc", 2)
    assert (found / "best/cell.png").stat().st_size > 5000


@pytest.mark.long
def test_its_network_takes_images_of_any_size(found: Path) -> None:
    model = tf.saved_model.load(found / "best/saved_model")
    for size in ((48, 64), (31, 77)):
        image = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.uint8)
        served = model.serve(tf.constant(image))
        assert served["classes"].shape == (2, *size)
        assert served["probabilities"].shape == (2, *size, 5)
        np.testing.assert_allclose(tf.reduce_sum(served["probabilities"], axis=-1), 1, rtol=1e-4)


@pytest.mark.long
def test_workers_share_the_features_and_find_the_same(found: Path, base: Path, search: Words) -> None:
    before = sorted((base / "features").iterdir())
    done = run("search", *search, "--executor=processes", "--workers=2", f"--run_dir={base / 'workers'}")
    assert done.returncode == 0, done.stderr
    assert "computing" not in done.stderr
    assert sorted((base / "features").iterdir()) == before
    rewards = {trial.index: trial.reward for trial in trials_of(base / "workers")}
    assert rewards == {trial.index: trial.reward for trial in trials_of(found)}
    more = run("search", "--resume", "--trials=3", f"--run_dir={base / 'workers'}")
    assert more.returncode == 0, more.stderr
    assert len(trials_of(base / "workers")) == 3


@pytest.mark.long
def test_children_can_train_their_backbone_too(base: Path, search: Words) -> None:
    words = [word for word in search if not word.startswith("--feature_dir")]
    done = run("search", *words, "--feature_cache=no", "--crop_margin=2", f"--run_dir={base / 'whole'}")
    assert done.returncode == 0, done.stderr
    assert "features" not in done.stderr
    for trial in trials_of(base / "whole"):
        assert trial.measurement is not None
        assert trial.measurement.parameters is not None
        assert trial.measurement.parameters > 5000  # backbone and head


@pytest.mark.long
def test_the_best_heads_are_trained_on_the_backbone_of_the_search(found: Path, base: Path) -> None:
    """Other parts and the meaning of masks come from the search; what the recipe gives comes from the recipe."""
    recipe = base / "longer.cfg"
    flags = ("--dataset=shapes", "--epochs=1", *NETWORK, *STEPS, "--head_filters=6")
    recipe.write_text("\n".join(flags) + "\n")
    then = (f"--then_train={recipe}", "--then_top=1", "--then_also=ASPP")
    done = run("search", "--resume", *then, f"--run_dir={found}")
    assert done.returncode == 0, done.stderr
    compared = json.loads((found / "then/then.json").read_text())["compared"]
    assert [one["name"].rstrip("0123456789") for one in compared] == ["trial", "ASPP"]
    for one in compared:
        (config,) = (json.loads(path.read_text()) for path in (found / "then" / one["name"]).glob("seed0/config.json"))
        names = ("task", "backbone", "decoder_filters", "head_filters")
        assert [config["flags"][name] for name in names] == ["segmentation", EDGES, 4, 6]
        assert one["results"][0]["parts"]["backbone"]["kind"] == "nasbench201"


@pytest.fixture(scope="module")
def trained(base: Path, shapes: Words) -> Path:
    """A segmentation network of small cells under the default head."""
    recipe = ("--epochs=2", "--schedule=poly", "--flip", "--scale_min=0.7", "--scale_max=1.4", "--class_weights=auto")
    words = (*shapes, f"--genotype={EDGES}", *NETWORK, *HEAD, *STEPS, *recipe, "--noauxiliary")
    done = run("train", *words, f"--run_dir={base / 'trained'}")
    assert done.returncode == 0, done.stderr
    assert "valid mIoU" in done.stderr
    return base / "trained"


@pytest.mark.long
def test_a_training_measures_masks(trained: Path) -> None:
    found = results(trained)
    assert found["task"] == "segmentation"
    assert found["network"]["image"] == [48, 64, 3]
    for part, images in (("valid", 20), ("final_test", 100)):
        assert found[part]["images"] == images
        assert 0 < found[part]["mIoU"] < found[part]["pixel_accuracy"] < 1
        assert "IoU/triangle" in found[part]
        pixels = classes(trained)[part].classes
        assert sum(one.right for one in pixels) / sum(one.actual for one in pixels) == found[part]["pixel_accuracy"]
        for one in pixels:
            assert one.right / (one.actual + one.predicted - one.right) == found[part][f"IoU/{one.name}"]
    assert "pixel_accuracy" in found["train"]


@pytest.mark.long
def test_a_head_is_trained_on_the_backbone_of_a_run(trained: Path, base: Path, shapes: Words) -> None:
    """Its size, weights and normalization are those of the run; flags that would change them are refused."""
    words = (*shapes, "--genotype=DPC-top1", f"--backbone={trained}", *HEAD, *STEPS, "--epochs=1")
    done = run("train", *words, "--freeze=backbone", f"--run_dir={base / 'head'}")
    assert done.returncode == 0, done.stderr
    ours, theirs = (json.loads((folder / "data.json").read_text()) for folder in (base / "head", trained))
    assert ours["mean"] == theirs["mean"]
    weights, earlier = (kernels(folder) for folder in (base / "head", trained))
    backbone = [path for path in weights if not path.startswith(("head.", "decoder."))]
    assert len(backbone) > 20
    assert all(np.array_equal(weights[path], earlier[path]) for path in backbone)
    refused = refuse("train", *words, "--filters=8", f"--run_dir={base / 'other'}")
    assert f"--filters=8 would change --backbone={trained}, which is trained already; leave it out" in refused.stderr
    refused = refuse("train", *words, f"--init={base / 'head'}", f"--run_dir={base / 'other'}")
    assert f"--init={base / 'head'} and --backbone={trained} both bring weights of the backbone" in refused.stderr
    assert not (base / "other").exists()


def kernels(folder: Path) -> dict[str, np.ndarray]:
    import keras

    network = keras.models.load_model(folder / "model.keras", compile=False).get_layer("network")
    return {variable.path: np.asarray(variable) for variable in network.weights if "kernel" in variable.path}


@pytest.fixture(scope="module")
def exported(trained: Path, base: Path) -> Path:
    words = ("--format=saved_model,keras,tflite", f"--out={base / 'exported'}", "--images=20", "--json")
    done = run("export", f"--model={trained}", *words)
    assert done.returncode == 0, done.stderr
    formats = json.loads(done.stdout)["formats"]
    assert all(formats[name]["max_difference"] < 1e-4 for name in ("saved_model", "keras", "tflite_float32"))
    assert all(one["pixel_agreement"] > 0.8 for one in formats.values())
    return base / "exported"


@pytest.mark.long
def test_an_exported_network_predicts_fractions_of_classes(exported: Path, tmp_path: Path) -> None:
    image, _ = draw_picture(np.random.default_rng(0))
    Image.fromarray(image).resize((100, 75)).save(tmp_path / "picture.png")
    done = run("predict", f"--model={exported}", "--json", str(tmp_path / "picture.png"))
    assert done.returncode == 0, done.stderr
    (fractions,) = json.loads(done.stdout).values()
    assert list(fractions) == ["ground", "disc", "ring", "square", "triangle"]
    assert sum(fractions.values()) == pytest.approx(1)


@pytest.mark.long
def test_a_lone_model_is_exported_with_a_folder_of_masks(trained: Path, tmp_path: Path) -> None:
    """Flags say what the values of the masks mean, as in a training."""
    rng = np.random.default_rng(0)
    for split, number in (("train", 0), ("train", 1), ("val", 2)):
        for folder in ("images", "masks"):
            (tmp_path / f"scans/{split}/{folder}").mkdir(parents=True, exist_ok=True)
        image, mask = draw_picture(rng)
        Image.fromarray(image).save(tmp_path / f"scans/{split}/images/{number}.png")
        Image.fromarray(mask + 1).save(tmp_path / f"scans/{split}/masks/{number}.png")
    shutil.copy(trained / "model.keras", tmp_path / "alone.keras")
    words = ("--model=alone.keras", "--dataset=folder:scans", "--valid_split=val", "--out=out", TASK)
    refused = refuse("export", *words, cwd=tmp_path)
    assert "masks do not tell how many classes there are; give --classes=N" in refused.stderr
    refused = refuse("export", *words, "--classes=6", cwd=tmp_path)
    assert "the model has 5 classes; 6 names were given" in refused.stderr
    done = run("export", *words, "--classes=5", "--ignore_label=0", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["compared_on"] == {"split": "val", "images": 1}
    values = (tmp_path / "out/saved_model/assets.extra/mask_values.txt").read_text().splitlines()
    assert values == ["0 ignore", *(f"{number + 1} {number}" for number in range(5))]


@pytest.mark.long
def test_masks_mean_what_they_did_in_the_training_unless_flags_say_otherwise(trained: Path, tmp_path: Path) -> None:
    done = run("export", f"--model={trained}", "--ignore_label=200", "--images=2", "--out=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = (tmp_path / "out/saved_model/assets.extra/mask_values.txt").read_text().splitlines()
    assert values == ["0 ground", "1 disc", "2 ring", "3 square", "4 triangle", "200 ignore"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--space=dpc",), "--backbone is missing; every segmentation network needs one"),
        (("--space=dpc", "--backbone=NASNet-A", "--head=ASPP"), "--head=ASPP, but --space=dpc describes the head"),
        (("--space=nasnet", "--head=NASNet-A"), "--head=NASNet-A describes a backbone; expected a head"),
        (
            ("--space=dpc", "--backbone=NASNet-A", "--crop_margin=2"),
            "--crop_margin=2 changes images, but their features",
        ),
        (
            ("--space=nasnet", "--strategy=random", "--estimator=shared"),
            "--estimator=shared is not possible with --task=segmentation",
        ),
        (("--space=nasnet", "--feature_cache=no"), "--feature_cache=no: for a --backbone that is not searched"),
        (("--space=nasnet", "--feature_dir=here"), "--feature_dir=here: for a --backbone that is not searched"),
        (("--space=nasnet", "--filter=naswot"), "--filter=naswot is not possible with --task=segmentation"),
        (
            ("--space=nasnet", "--output_stride=16", "--reductions=2"),
            "--output_stride=16: the backbone has features of",
        ),
        (("--space=nasnet", "--label_smoothing=0.1"), "--label_smoothing=0.1 has no effect with --task=segmentation"),
    ],
)
def test_what_does_not_fit_is_one_line(words: Words, message: str, shapes: Words, tmp_path: Path) -> None:
    refused = refuse("search", *shapes, *NETWORK, *words, f"--run_dir={tmp_path / 'run'}")
    assert message in refused.stderr
    assert not (tmp_path / "run").exists()


def test_heads_are_for_segmentation(tmp_path: Path) -> None:
    refused = refuse("search", "--dataset=digits", "--space=dpc", f"--run_dir={tmp_path / 'run'}")
    expected = "--space=dpc describes a head; networks of --task=classification consist of a backbone"
    assert expected in refused.stderr
