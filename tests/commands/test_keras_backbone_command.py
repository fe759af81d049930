"""Verbs with a backbone that somebody else made in Keras."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from processes import refuse, results, run, run_cold

pytestmark = pytest.mark.long

SIZE = (22, 30)  # sides that have to be padded
RECIPE = ("--head_filters=4", "--epochs=1", "--batch_size=8", "--learning_rate=0.05", "--flip")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Flags of images of a bright half and a dark one."""
    folder, rng = tmp_path_factory.mktemp("halves"), np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 6)):
        for number in range(count):
            mask = np.zeros(SIZE, np.uint8)
            mask[:, rng.integers(8, 22) :] = 1
            pixels = np.clip(rng.normal(60 + 120 * mask[..., np.newaxis], 20, (*SIZE, 3)), 0, 255).astype(np.uint8)
            for kind, values in (("images", pixels), ("masks", mask)):
                place = folder / split / kind / f"{number}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(place)
    names = tmp_path_factory.mktemp("names") / "classes.txt"
    names.write_text("dark\nbright\n")
    return ("--task=segmentation", f"--dataset=folder:{folder}", f"--classes={names}")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Flag of a small model of stock layers, made for images of another size."""
    image = keras.Input((48, 48, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    for filters in (4, 8, 8):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.8)(x))
    path = tmp_path_factory.mktemp("backbone") / "own.keras"
    keras.Model(image, keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x))).save(path)
    return f"--backbone={path}"


@pytest.fixture(scope="module")
def trained(data: tuple[str, ...], backbone: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "trained"
    flags = (*data, backbone, "--head_filters=8", "--epochs=12", "--batch_size=4", "--learning_rate=0.05", "--flip")
    rates = ("--backbone_rate=0.5", "--bn_momentum=0.8")
    done = run("train", "--genotype=DPC-top1", *flags, *rates, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("way", ["--feature_cache=yes", "--feature_cache=no"])
def test_a_search_writes_the_network_of_its_best_head(
    way: str, data: tuple[str, ...], backbone: str, tmp_path: Path
) -> None:
    features = [f"--feature_dir={tmp_path / 'features'}"] if way.endswith("yes") else []
    done = run(
        *(
            "search",
            "--space=dpc",
            "--trials=2",
            "--update_every=2",
            "--executor=inline",
            way,
            *data,
            backbone,
            *RECIPE,
        ),
        *(*features, f"--run_dir={tmp_path / 'run'}"),
    )
    assert done.returncode == 0, done.stderr
    assert "(0 failed)" in done.stdout
    assert "loaded back" in done.stdout
    image = next(Path(data[1].partition(":")[2]).glob("test/images/*"))
    predicted = run("predict", f"--model={tmp_path / 'run/best/saved_model'}", "--json", image)
    assert predicted.returncode == 0, predicted.stderr
    (found,) = json.loads(predicted.stdout).values()
    assert found.keys() == {"dark", "bright"}
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.long
def test_a_training_learns_and_counts_the_backbone(trained: Path, backbone: str) -> None:
    found = results(trained)
    assert found["final_test"]["pixel_accuracy"] > 0.8, found["final_test"]
    network = keras.models.load_model(trained / "model.keras").get_layer("network")
    variables = [(variable.path, int(np.prod(variable.shape)), variable.trainable) for variable in network.weights]
    assert sum(size for _, size, trainable in variables if trainable) == found["network"]["trainable_parameters"]
    assert sum(size for _, size, trainable in variables if not trainable) == found["network"]["other_parameters"]
    assert {path.partition(".")[0] for path, *_ in variables} == {"backbone", "head", "decoder"}
    described = run(
        *("describe", "--genotype=DPC-top1", backbone, "--head_filters=8", "--classes=2", "--image_size=22x30"),
        "--json",
    )
    assert described.returncode == 0, described.stderr
    for count in ("trainable_parameters", "other_parameters", "multiply_adds"):
        assert json.loads(described.stdout)[count] == found["network"][count]


@pytest.mark.long
def test_a_training_starts_from_another_and_keeps_what_is_frozen(
    trained: Path, data: tuple[str, ...], backbone: str, tmp_path: Path
) -> None:
    flags = ("--head_filters=8", f"--init={trained}", "--freeze=backbone", f"--run_dir={tmp_path / 'again'}")
    done = run("train", "--genotype=DPC-top1", *data, backbone, *RECIPE[1:], *flags)
    assert done.returncode == 0, done.stderr
    before, after = (
        {v.path: v.numpy() for v in keras.models.load_model(folder / "model.keras").get_layer("network").weights}
        for folder in (trained, tmp_path / "again")
    )
    assert before.keys() == after.keys()
    same = {path for path, value in before.items() if np.array_equal(value, after[path])}
    assert {path for path in before if path.startswith("backbone.")} <= same
    assert not {path for path in before if path.endswith("kernel") and not path.startswith("backbone.")} & same


@pytest.mark.long
def test_a_stopped_training_continues_to_the_same_weights(data: tuple[str, ...], backbone: str, tmp_path: Path) -> None:
    flags = ("train", "--genotype=DPC-top1", *data, backbone, *RECIPE[:1], *RECIPE[2:], "--eval_flip")
    assert run(*flags, "--epochs=2", f"--run_dir={tmp_path / 'whole'}").returncode == 0
    assert run(*flags, "--epochs=2", "--keep=9", f"--run_dir={tmp_path / 'part'}").returncode == 0
    for path in ("results.json", "model.keras"):
        (tmp_path / "part" / path).unlink()
    last = max((tmp_path / "part/checkpoints").glob("*.index"), key=lambda path: path.stat().st_mtime)
    for path in (tmp_path / "part/checkpoints").glob(f"{last.stem}*"):
        path.unlink()
    done = run("train", "--resume", f"--run_dir={tmp_path / 'part'}")
    assert done.returncode == 0, done.stderr
    found, whole = results(tmp_path / "part"), results(tmp_path / "whole")
    assert (found["final_test"], found["views"]) == (whole["final_test"], whole["views"])
    file = tmp_path / "part/results.json"  # as it is if the measurement of the views is stopped
    file.write_text(
        json.dumps({name: value for name, value in json.loads(file.read_text()).items() if name != "views"})
    )
    assert run("train", "--resume", f"--run_dir={tmp_path / 'part'}").returncode == 0
    assert results(tmp_path / "part")["views"] == whole["views"]


@pytest.mark.long
def test_a_finished_training_is_measured_over_more_views(trained: Path) -> None:
    before = results(trained)
    assert "views" not in before
    done = run("train", "--resume", "--eval_scales=0.75,1", "--eval_flip", f"--run_dir={trained}", "--json")
    assert done.returncode == 0, done.stderr
    after = results(trained)
    views = after.pop("views")
    assert json.loads(done.stdout)["views"] == views
    assert after == before
    assert (views["scales"], views["flip"], views["valid"]["images"]) == ([0.75, 1], True, before["valid"]["images"])
    assert views["final_test"]["pixel_accuracy"] > 0.8
    again = run("train", "--resume", "--eval_scales=0.75,1", "--eval_flip", f"--run_dir={trained}", "--json")
    assert json.loads(again.stdout)["views"] == views
    changed = (trained / "results.json").stat().st_mtime_ns
    assert run("train", "--resume", f"--run_dir={trained}").returncode == 0
    assert (trained / "results.json").stat().st_mtime_ns == changed


@pytest.mark.long
def test_it_is_exported(trained: Path, tmp_path: Path) -> None:
    formats = "--format=saved_model,keras,tflite,onnx"
    done = run("export", f"--model={trained}", formats, f"--out={tmp_path / 'out'}", "--json")
    assert done.returncode == 0, done.stderr
    formats = json.loads(done.stdout)["formats"]
    assert all(formats[name]["max_difference"] < 1e-4 for name in ("saved_model", "keras", "tflite_float32", "onnx"))


def test_weights_that_cannot_be_downloaded_are_one_line(data: tuple[str, ...], tmp_path: Path) -> None:
    flags = ("--space=dpc", "--backbone=MobileNetV2", *data, f"--run_dir={tmp_path / 'run'}")
    done = run_cold("search", *flags, KERAS_HOME=str(tmp_path), https_proxy="http://127.0.0.1:9")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "cannot get ImageNet's weights; put https://" in last
    assert f"into {tmp_path / 'models'}, or give --backbone_weights=random" in last
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--backbone=mobilenetv2",), "did you mean MobileNetV2?"),
        (("--backbone=nowhere.keras",), "--backbone=nowhere.keras: no such file"),
        (("--backbone=InceptionV3",), "no feature maps whose sides are those of 224x224 images"),
        (("--backbone=MobileNetV2", "--channels=1"), "reads images of 3 channels; those of the data have 1"),
        (("--backbone=MobileNetV2", "--cells=3"), "--cells=3 has no effect"),
        (("--backbone=MobileNetV2", "--network=cifar"), "--network=cifar has no effect"),
        (("--backbone=NASNet-A", "--backbone_pixels=0..1"), "--backbone_pixels=0..1 has no effect"),
    ],
)
def test_what_does_not_fit_is_one_line(flags: tuple[str, ...], message: str) -> None:
    done = refuse("describe", "--genotype=DPC-top1", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


RETINANET = ("--neck_filters=256", "--tower_filters=256", "--tower_layers=4", "--notower_separable")


@pytest.mark.long
def test_detectors_on_resnet_50_have_the_published_sizes() -> None:
    """Ghiasi et al. 2019, table 1, print 34.0M and 97.0B, 60.3M and 140.6B at 640 pixels.

    The ResNet-50 of keras.applications has biases before its batch normalization. In three stages it strides in the
    1x1 convolution before the 3x3 one, which then costs a quarter: 6,400 places of 256 x 128 weights or as many.
    """
    convolutions = [
        layer
        for layer in keras.applications.ResNet50(weights=None, include_top=False).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    strided = [layer for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides == (2, 2)]
    assert len(strided) == 2 * 3  # in each stage also the one beside the block
    biases, saved = sum(layer.filters for layer in convolutions if layer.use_bias), 3 * 3 * (640 // 8) ** 2 * 256 * 128
    for words, parameters, billions in (
        (("--genotype=FPN", "--levels=3-7"), 34_088_599, 97.0),
        (("--genotype=NAS-FPN", "--neck_repeats=7"), 60_078_743, 140.6),
    ):
        images = ("--anchor_ratios=0.5,1,2", "--classes=91", "--image_size=640", "--backbone=ResNet50")
        described = run("describe", "--task=detection", *words, *RETINANET, *images, "--json")
        assert described.returncode == 0, described.stderr
        cost = json.loads(described.stdout)
        assert cost["trainable_parameters"] == parameters + biases
        assert (cost["multiply_adds"] + saved) / 1e9 == pytest.approx(billions, rel=0.003)
