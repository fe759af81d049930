"""Detection by the command line: detectors are trained, exported, and used on images with and without true boxes."""

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from detectors import BACKBONE, HEAD, KINDS, NETWORK, STEPS, TASK, write_shapes
from PIL import Image
from processes import Words, classes, refuse, results, run

from rl_nas.tasks.detection.head import DetectionHead

EXACT = ("saved_model", "keras", "tflite_float32", "onnx")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detection")


@pytest.fixture(scope="module")
def pictures(base: Path) -> Path:
    return write_shapes(base / "pictures", train=60, val=12, test=12)


@pytest.fixture(scope="module")
def data(pictures: Path) -> Words:
    return (f"--dataset=folder:{pictures}", "--valid_split=val", TASK)


@pytest.fixture(scope="module")
def trained(base: Path, data: Words) -> Path:
    """A detector of small cells under the default neck."""
    words = (*data, f"--genotype={BACKBONE}", *NETWORK, *HEAD, *STEPS, "--epochs=8", "--flip")
    done = run("train", *words, f"--run_dir={base / 'trained'}")
    assert done.returncode == 0, done.stderr
    assert "valid mAP" in done.stderr
    return base / "trained"


@pytest.fixture(scope="module")
def exported(trained: Path, base: Path) -> Path:
    words = ("--format=saved_model,keras,tflite,onnx", f"--out={base / 'exported'}", "--images=12")
    done = run("export", f"--model={trained}", *words)
    assert done.returncode == 0, done.stderr
    return base / "exported"


def suppression(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "saved_model/assets.extra/suppression.json").read_text())
    return found


@pytest.mark.long
def test_a_training_measures_boxes(trained: Path) -> None:
    found = results(trained)
    assert (found["task"], found["network"]["image"]) == ("detection", [48, 64, 3])
    for part in ("valid", "final_test"):
        assert found[part]["images"] == 12
        assert 0 < found[part]["mAP"] < found[part]["AP50"] < 1
        precisions = [found[part][f"AP/{name}"] for name in KINDS]
        assert found[part]["mAP"] == pytest.approx(np.mean(precisions))
        boxes = classes(trained)[part].classes
        assert [one.name for one in boxes] == [*KINDS]
        assert found[part]["AP50"] == pytest.approx(np.mean([one.precision for one in boxes]))
    assert (trained / "examples.png").stat().st_size > 5000


@pytest.mark.long
def test_the_network_of_a_training_is_described(trained: Path) -> None:
    """Its backbone by the folder, under the neck; or the neck on the backbone: both are what was trained."""
    flags = ("--classes=4", "--image_size=48x64", *HEAD, "--json")
    counted = results(trained)["network"]
    for words in ((f"--genotype={trained}", TASK, *NETWORK), ("--genotype=FPN", f"--backbone={trained}")):
        done = run("describe", *words, *flags)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["task"] == "detection"
        for name in ("image", "trainable_parameters", "other_parameters", "multiply_adds"):
            assert found[name] == counted[name]


@pytest.mark.long
def test_every_format_is_the_network(exported: Path) -> None:
    formats = json.loads((exported / "metadata.json").read_text())["formats"]
    assert set(formats) == {*EXACT, "tflite_float16", "tflite_int8"}
    for name, one in formats.items():
        assert one["images"] == 12
        assert one["detection_agreement"] > (0.98 if name in EXACT else 0.8)
        if name in EXACT[1:]:  # the suppression is in a SavedModel alone
            assert one["max_difference"] < 1e-4
    assert suppression(exported) == {"score_threshold": 0.05, "nms_iou": 0.5, "max_detections": 100}
    card = (exported / "model_card.md").read_text()
    assert "object detector" in card


@pytest.mark.long
@pytest.mark.parametrize("model", ["trained", "exported"])
def test_the_flags_of_an_export_decide_what_is_left(
    model: str, base: Path, trained: Path, exported: Path, tmp_path: Path
) -> None:
    """They are in the graph, and recorded; a prediction cannot bring back what they left out."""
    flags = {"score_threshold": 0.2, "nms_iou": 0.25, "max_detections": 3}
    words = [f"--{name}={value}" for name, value in flags.items()]
    done = run("export", f"--model={base / model}", *words, f"--out={tmp_path / 'few'}", "--images=2")
    assert done.returncode == 0, done.stderr
    assert suppression(tmp_path / "few") == flags
    graph = tf.saved_model.load(tmp_path / "few/saved_model")
    assert graph.serve(tf.zeros([1, 30, 40, 3], tf.uint8))["boxes"].shape == (1, 3, 4)
    image = tmp_path / "black.png"
    Image.new("RGB", (40, 30)).save(image)
    refused = refuse("predict", f"--model={tmp_path / 'few'}", "--score_threshold=0.1", image)
    assert "--score_threshold=0.1: the network was exported with 0.2; expected at least that" in refused.stderr
    assert refused.returncode == 2


@pytest.mark.long
def test_figures_of_a_folder_with_true_boxes_are_those_of_the_training(
    exported: Path, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    """The same images, read from files, one at a time, by the SavedModel, in their own pixels."""
    shutil.copytree(pictures / "images/val", tmp_path / "photos/images/val")
    shutil.copytree(
        pictures / "annotations", tmp_path / "photos/annotations", ignore=lambda *_: ["instances_train.json"]
    )
    done = run("predict", f"--model={exported}", "--json", f"--out={tmp_path / 'out'}", tmp_path / "photos")
    assert done.returncode == 0, done.stderr
    assert "splits whose images are not there: 1, such as test; left out" in done.stderr
    found = json.loads(done.stdout)
    expected = {name: value for name, value in results(trained)["valid"].items() if name not in ("loss", "split")}
    assert found["metrics"] == pytest.approx(expected, abs=1e-6)
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == found["metrics"]
    assert json.loads((tmp_path / "out/predictions.json").read_text()) == found["images"]
    names = [f"images/val/val{number}.png" for number in range(12)]
    assert sorted(found["images"]) == sorted(str(tmp_path / "photos" / name) for name in names)
    for name in names:
        assert (tmp_path / "out/overlays" / name).stat().st_size > 1000
    check_coco(tmp_path / "out/detections.json", sorted(names), expected["mAP"], pictures)
    words = (f"--boxes={pictures / 'annotations/instances_val.json'}", tmp_path / "photos/images/val")
    again = run("predict", f"--model={exported}", "--json", *words)
    assert json.loads(again.stdout)["metrics"] == found["metrics"]


def check_coco(file: Path, names: list[str], mean: float, pictures: Path) -> None:
    """COCO's tools read the detections, and find the same mean average precision by the true boxes' own file."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        found, true = COCO(str(file)), COCO(str(pictures / "annotations/instances_val.json"))
        assert sorted(image["file_name"] for image in found.imgs.values()) == names
        assert [one["name"] for one in found.loadCats(found.getCatIds())] == list(KINDS)
        ids = {number: int(Path(image["file_name"]).stem.removeprefix("val")) for number, image in found.imgs.items()}
        result = [{**one, "image_id": ids[one["image_id"]]} for one in found.dataset["annotations"]]
        for one in true.anns.values():
            one.update(area=one["bbox"][2] * one["bbox"][3], iscrowd=0)
        evaluation = COCOeval(true, true.loadRes(result), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(mean, abs=1e-6)


@pytest.mark.long
def test_photos_without_true_boxes_are_predicted(exported: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        with Image.open(pictures / f"images/test/test{number}.png") as image:
            image.resize((100, 75)).save(tmp_path / f"photos/{number}.jpg")
    done = run(
        "predict", f"--model={exported}", f"--out={tmp_path / 'out'}", "--score_threshold=0.1", tmp_path / "photos"
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"overlays", "predictions.csv", "detections.json"}
    found = json.loads((tmp_path / "out/detections.json").read_text())
    assert [(one["width"], one["height"]) for one in found["images"]] == [(100, 75)] * 2
    assert found["annotations"]
    for one in found["annotations"]:
        left, top, width, height = one["bbox"]
        assert one["score"] >= 0.1
        assert min(left, top) >= 0
        assert left + width <= 100 + 1e-3
        assert top + height <= 75 + 1e-3
    lines = [line.partition("  ")[2].strip() for line in done.stdout.splitlines()]
    assert all(line == "nothing" or any(name in line for name in KINDS) for line in lines)


@pytest.mark.long
def test_flags_of_other_tasks_are_refused(exported: Path, pictures: Path) -> None:
    for words in ("--tile=32", "--masks=here", "--classes=4"):
        refused = refuse("predict", f"--model={exported}", words, pictures / "images/val/val0.png")
        assert f"{words} has no effect with --task=detection; leave it out" in refused.stderr


def weights(folder: Path) -> dict[str, np.ndarray]:
    import keras

    network = keras.models.load_model(folder / "model.keras", compile=False).get_layer("network")
    return {variable.path: np.asarray(variable) for variable in network.weights}


@pytest.mark.long
@pytest.mark.parametrize(("neck", "freeze"), [("NAS-FPN", "auto"), ("FPN", "none")])
def test_a_backbone_is_trained_further_and_keeps_its_normalization(
    trained: Path, base: Path, data: Words, neck: str, freeze: str
) -> None:
    """Unless a flag says otherwise; convolutions, and the normalization of neck and towers, are trained."""
    folder = base / neck
    words = (*data, f"--genotype={neck}", f"--backbone={trained}", *HEAD, *STEPS, "--epochs=1", f"--freeze={freeze}")
    done = run("train", *words, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    ours, theirs = weights(folder), weights(trained)
    shared = [path for path in ours if not path.startswith(DetectionHead.layers)]
    kernels = [path for path in shared if "kernel" in path]
    norms = [path for path in shared if path.endswith(("gamma", "beta", "moving_mean", "moving_variance"))]
    assert min(len(kernels), len(norms)) > 10
    assert not any(np.array_equal(ours[path], theirs[path]) for path in kernels)
    assert {np.array_equal(ours[path], theirs[path]) for path in norms} == {freeze == "auto"}
    averages = [path for path in ours if path.startswith(DetectionHead.layers) and path.endswith("moving_mean")]
    assert averages
    assert all(ours[path].any() for path in averages)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--genotype=NAS-FPN",), "--backbone is missing; every object detector needs one"),
        (("--genotype=NASNet-A", "--neck=ASPP"), "--neck=ASPP describes a head; expected a neck"),
        (("--genotype=FPN", "--backbone=FPN"), "--backbone=FPN describes a neck; expected a backbone"),
        (("--genotype=NASNet-A", "--mixup=0.2"), "--mixup"),
    ],
)
def test_trainings_that_do_not_fit_are_one_line(words: Words, message: str, data: Words, tmp_path: Path) -> None:
    refused = refuse("train", *data, *NETWORK, *words, f"--run_dir={tmp_path / 'run'}")
    assert message in refused.stderr.splitlines()[-1]
    assert refused.returncode == 2
    assert not (tmp_path / "run").exists()
