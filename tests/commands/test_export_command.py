"""`rl_nas export` and `rl_nas predict` in real processes: what others get, and that it is what was trained."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import image_source
from processes import TINY_TRAINING, beyond_first_lines, refuse, run, run_cold

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.export.verification import Verified
from rl_nas.errors import RunError
from rl_nas.extras import install_command
from rl_nas.report.tables import measured_text
from rl_nas.store.trials import TrialStore
from rl_nas.trial import best_trials

EXACT = ("saved_model", "keras", "tflite_float32", "onnx")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    done = run("train", *TINY_TRAINING, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    folder = trained.parent / "exported"
    done = run_cold("export", f"--model={trained}", "--format=saved_model,keras,tflite,onnx", f"--out={folder}")
    assert done.returncode == 0, done.stderr
    assert "in a process without rl_nas, on 150 held-out images" in done.stdout
    return folder


def metadata(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "metadata.json").read_text())
    return document


@pytest.mark.long
def test_every_format_is_the_network(trained: Path, exported: Path) -> None:
    document, results = metadata(exported), json.loads((trained / "results.json").read_text())
    assert set(document["formats"]) == {*EXACT, "tflite_float16", "tflite_int8"}
    for name, one in document["formats"].items():
        assert one["images"] == 150, name
        assert one["network_accuracy"] == pytest.approx(results["valid"]["accuracy"]), name
        assert one["latency_ms"] > 0, name
        if name in EXACT:
            assert one["max_difference"] < 1e-4, name
            assert one["accuracy"] == one["network_accuracy"], name
    sizes = {kind: document["formats"][f"tflite_{kind}"]["bytes"] for kind in ("float32", "float16", "int8")}
    assert sizes["int8"] < sizes["float32"]
    assert sizes["float16"] < sizes["float32"]
    assert document["final_test"] == results["final_test"]
    for place in (exported, exported / "saved_model/assets.extra"):
        assert (place / "labels.txt").read_text().split() == [str(digit) for digit in range(10)]
        card = (place / "model_card.md").read_text()
        accuracy, loss = (results["final_test"][name] for name in ("accuracy", "loss"))
        assert f"- {measured_text('accuracy', accuracy, 297)}, loss {loss:.4f}, " in card
        assert " on 297 images of split test" in card
        assert f"{results['network']['trainable_parameters']:,} trainable parameters" in card


@pytest.mark.long
def test_the_signatures_say_what_they_take(exported: Path) -> None:
    loaded = tf.saved_model.load(exported / "saved_model")
    assert {"serving_default", "normalized"} <= set(loaded.signatures)
    document = metadata(exported)
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 1), np.uint8)
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    floats = (images.astype(np.float32) - document["mean"]) / document["deviation"]
    normalized = loaded.signatures["normalized"](images=tf.constant(floats, tf.float32))
    np.testing.assert_allclose(served["probabilities"], normalized["probabilities"], atol=1e-5)
    assert [name.decode() for name in served["label"].numpy()] == [
        document["classes"][i] for i in np.argmax(served["probabilities"], -1)
    ]
    # No training-only part is left.
    names = {variable.name for variable in loaded.variables} if hasattr(loaded, "variables") else set()
    assert not any("auxiliary" in name or "progress" in name for name in names)


@pytest.mark.long
def test_predict_needs_the_exported_folder_alone(exported: Path, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "elsewhere")
    shutil.copytree(exported / "saved_model", tmp_path / "alone")
    shutil.rmtree(tmp_path / "elsewhere/saved_model/variables")  # it is not loaded
    source = image_source(DataSettings(dataset="digits"))
    examples = list(source.encoded("test").take(30).as_numpy_iterator())
    images = [source.decode(encoded).numpy() for _, encoded, _ in examples]
    for number, image in enumerate(images):
        keras.utils.array_to_img(image, scale=False).save(tmp_path / f"{number}.png")
    words = [f"{number}.png" for number in range(len(images))]
    done = run_cold("predict", "--model=elsewhere", "--json", "--top=2", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)
    model = keras.models.load_model(exported / "model.keras", compile=False)
    expected = np.asarray(model(np.stack(images)))
    for word, probabilities in zip(words, expected, strict=True):
        first, second = predictions[word]
        assert first["class"] == str(probabilities.argmax())
        assert first["probability"] == pytest.approx(probabilities.max(), abs=1e-5)
        assert second["probability"] <= first["probability"]
    for words in (["--model=elsewhere/saved_model"], [f"--model={trained}"], ["--trust", "--model=alone"]):
        text = run("predict", *words, "0.png", cwd=tmp_path).stdout
        assert text.startswith(f"0.png  {predictions['0.png'][0]['class']} ")


@pytest.mark.long
def test_a_lone_file_needs_its_data_set(trained: Path, tmp_path: Path) -> None:
    shutil.copy(trained / "model.keras", tmp_path / "alone.keras")
    refused = refuse("export", "--model=alone.keras", "--out=out", cwd=tmp_path)
    assert refused.returncode == 2
    assert "give its data set with --dataset" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = run("export", "--model=alone.keras", "--dataset=digits", "--json", "--out=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document == metadata(tmp_path / "out")
    assert document["formats"]["saved_model"]["top1_agreement"] == 1.0
    assert document["recipe"] == {}


@pytest.mark.parametrize(
    ("verb", "words", "message"),
    [
        ("export", ["--out=out"], "--model is missing"),
        ("export", ["--model={run}"], "--out is missing"),
        (
            "export",
            ["--model={run}", "--format=pb", "--out=out"],
            "--format: no 'pb'; expected some of saved_model, tflite",
        ),
        ("export", ["--model=absent", "--out=out"], "--model=absent is neither a file nor a folder"),
        (
            "export",
            ["--model=.", "--out=out"],
            "--model=. holds no network; expected the folder",
        ),
        ("export", ["--model={run}", "--out={run}"], "holds other files; give a new or an empty folder"),
        ("export", ["--model={run}", "--out=/proc/out"], "cannot write /proc/out"),
        ("predict", ["a.png"], "--model is missing"),
        ("predict", ["--model=.", "a.png"], "holds no network"),
        ("predict", ["--model={run}"], "no image; give the files"),
    ],
)
def test_wrong_use_is_one_line(verb: str, words: list[str], message: str, trained: Path, tmp_path: Path) -> None:
    done = refuse(verb, *[word.format(run=trained) for word in words], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1
    assert not any(tmp_path.iterdir())


def test_what_a_format_needs_is_checked_before_anything_else(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is absent, without any other work; one that is broken, before the data are read."""
    words = ("export", f"--model={trained}", "--format=saved_model,onnx", "--out=new/out")
    monkeypatch.setitem(sys.modules, "rl_nas.child.export.onnx", None)
    monkeypatch.setattr("rl_nas.workflows.export.open_source", pytest.fail)
    broken = refuse(*words, cwd=tmp_path)
    assert broken.returncode == 2
    (line,) = beyond_first_lines(broken.stderr)
    assert line.startswith("rl_nas export: --format=onnx: tf2onnx cannot be imported (")
    assert line.endswith(f"): {install_command('onnx')}")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setattr("rl_nas.commands.export.ExportSource", pytest.fail)
    absent = refuse(*words, cwd=tmp_path)
    assert absent.returncode == 2
    assert absent.stderr == f"rl_nas export: --format=onnx needs tf2onnx: {install_command('onnx')}\n"
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_an_export_that_fails_leaves_nothing_and_can_be_repeated(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at its comparison, when its files are written."""
    (tmp_path / "there").mkdir()
    errors: list[BaseException] = [RunError("differs"), KeyboardInterrupt()]

    def verified(kind: str, path: Path, **others: Any) -> Verified:
        assert path.is_file()
        if errors:
            error = errors.pop(0)
            error.args = (*(f"{path} {text}" for text in error.args),)
            raise error
        return Verified(1, {"max_difference": 0.0}, 1.0, 1)

    monkeypatch.setattr("rl_nas.workflows.export.verify", verified)
    words = ("export", f"--model={trained}", "--format=keras")
    failed = refuse(*words, "--out=new/out", cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "rl_nas export: keras: model.keras differs (--debug shows where)"
    assert refuse(*words, "--out=there", cwd=tmp_path).returncode == 130
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    assert refuse(*words, "--out=there", cwd=tmp_path).returncode == 0
    names = {"labels.txt", "metadata.json", "model.keras", "model_card.md", "network"}
    assert {path.name for path in (tmp_path / "there").iterdir()} == names


@pytest.mark.slow
def test_formats_that_fail_cost_the_others_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cannot be converted, another computes something else."""

    def broken(*unused: Any, kind: str = "", **others: Any) -> None:
        raise ValueError("failed to legalize operation\nand many lines")

    def verified(kind: str, path: Path, **others: Any) -> Verified:
        assert path.exists()
        if kind == "saved_model":
            raise RunError(f"{path} differs from the network by 1")
        return Verified(1, {"max_difference": 0.0}, 1.0, 1)

    monkeypatch.setattr("rl_nas.workflows.export.verify", verified)
    monkeypatch.setattr("rl_nas.child.export.writers.write_lite", broken)
    words = ("export", f"--model={trained}", "--format=tflite_int8,keras,saved_model")
    failed = refuse(*words, "--out=out", cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == (
        "rl_nas export: saved_model: saved_model differs from the network by 1; tflite_int8: failed to legalize"
        " operation; nothing is left of saved_model, tflite_int8, the others are in out (--debug shows where)"
    )
    names = {"labels.txt", "metadata.json", "model.keras", "model_card.md", "network"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    document = metadata(tmp_path / "out")
    assert [*document["formats"]] == ["keras"]
    assert document["failed"]["tflite_int8"] == "failed to legalize operation"
    assert "Not exported, as they failed: saved_model, tflite_int8." in (tmp_path / "out/model_card.md").read_text()
    assert refuse(*words[:2], "--format=tflite_int8,saved_model", "--out=none", cwd=tmp_path).returncode == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.long
def test_one_kind_of_tflite_can_be_asked_for(trained: Path, tmp_path: Path) -> None:
    done = run("export", f"--model={trained}", "--format=tflite_float16", "--out=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [*metadata(tmp_path / "out")["formats"]] == ["tflite_float16"]
    assert [path.name for path in (tmp_path / "out").glob("*.tflite")] == ["model_float16.tflite"]


@pytest.mark.long
def test_the_best_child_of_a_search_is_exported_and_predicts(tmp_path: Path) -> None:
    """And the export is exported again; all three are the same network."""
    words = ("--dataset=digits", "--image_size=9", "--epochs=1", "--filters=2", "--cells=1", "--space=nasbench201")
    data = ("--train_images=300", "--valid_images=150", "--executor=inline", "--trials=2", "--strategy=random")
    done = run("search", *words, *data, "--run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with TrialStore(tmp_path / "run/trials.sqlite") as store:
        best = best_trials(store.trials(), 1)[0]
    assert best.measurement is not None
    done = run("export", "--model=run", "--out=one", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *_ = done.stderr.splitlines()
    assert first == (
        f"The best child of a search, trial {best.index}, as the search trained it for 1 epoch: a proxy;"
        f" rl_nas train --genotype={tmp_path / 'run'} trains it in full"
    )
    done = run("export", "--model=one", "--out=two", "--format=keras", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("one", "two"):
        document = metadata(tmp_path / name)
        assert document["image"] == [9, 9, 1]
        assert document["found_by"] == {"trial": best.index, "epochs": 1}
        assert document["valid"] == {"split": "valid", "images": 150, **best.measurement.metrics}
        (compared,) = document["formats"].values()
        assert compared["network_accuracy"] == pytest.approx(best.measurement.quality)
        assert document["counts"]["trainable_parameters"] == best.measurement.parameters
        card = (tmp_path / name / "model_card.md").read_text()
        assert f"# Trial {best.index} of a search on digits" in card
        assert "as the search trained it for 1 epoch: a proxy." in card
    keras.utils.array_to_img(np.arange(64).reshape(8, 8, 1)).save(tmp_path / "a.png")
    searched, exported = (
        json.loads(run("predict", f"--model={model}", "--json", "a.png", cwd=tmp_path).stdout)["a.png"]
        for model in ("run", "two/model.keras")
    )
    assert searched == exported


@pytest.mark.slow
def test_data_of_other_classes_or_images_are_refused(trained: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / "train" / name).mkdir(parents=True)
        for number in range(2):
            keras.utils.array_to_img(np.zeros((8, 8, 3))).save(tmp_path / "photos/train" / name / f"{number}.png")
    words = ["--dataset=folder:photos", "--valid_fraction=0.5", "--image_size=8"]
    done = refuse("export", f"--model={trained / 'model.keras'}", *words, "--classes=2", "--out=out", cwd=tmp_path)
    assert "--classes=2 has no effect with --task=classification; leave it out" in done.stderr
    done = refuse("export", f"--model={trained / 'model.keras'}", *words, "--out=out", cwd=tmp_path)
    assert done.returncode == 2
    assert "the model has 10 classes; 2 names were given" in done.stderr


@pytest.mark.long
def test_oblong_images_are_trained_on_exported_and_predicted(tmp_path: Path) -> None:
    words = (*TINY_TRAINING, "--epochs=1", "--image_size=8x12", "--train_images=120", f"--run_dir={tmp_path / 'run'}")
    done = run("train", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run/results.json").read_text())["network"]["image"] == [8, 12, 1]
    done = run("export", f"--model={tmp_path / 'run'}", "--format=saved_model,keras", f"--out={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    model = keras.models.load_model(tmp_path / "out/model.keras", compile=False, safe_mode=True)
    assert model.input_shape == (None, 8, 12, 1)
    keras.utils.array_to_img(np.zeros((30, 20, 1))).save(tmp_path / "other.png")  # resized to what it was trained on
    done = run("predict", f"--model={tmp_path / 'out'}", str(tmp_path / "other.png"), "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)[str(tmp_path / "other.png")]) == 3
