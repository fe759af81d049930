"""`rl_nas predict` on folders, with pictures, true masks and tiles, by networks whose answers are known."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from processes import beyond_first_lines, refuse, run

from rl_nas.statistics import proportion_interval

NAMES = ("red", "green", "blue")


class Channels(tf.Module):
    """A segmentation network: the brightest channel of each pixel is its class."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.cast(images, tf.float32) + 1e-3
        probabilities = values / tf.reduce_sum(values, axis=-1, keepdims=True)
        return {
            "probabilities": probabilities,
            "classes": tf.cast(tf.argmax(probabilities, axis=-1, output_type=tf.int32), tf.uint8),
        }


class Means(tf.Module):
    """A classifier: probabilities are the parts of the channels in an image."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.reduce_sum(tf.cast(images, tf.float32), axis=[1, 2])
        return {"probabilities": values / tf.reduce_sum(values, axis=-1, keepdims=True)}


def export(module: Any, path: Path, **extras: str) -> Path:
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    (path / "assets.extra").mkdir()
    (path / "assets.extra/labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    for name, text in extras.items():
        (path / f"assets.extra/{name}.txt").write_text(text)
    return path


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = "1 red\n2 green\n3 blue\n0 ignore\n"
    folder = tmp_path_factory.mktemp("segmenter") / "saved_model"
    return export(Channels(), folder, task="segmentation\n", mask_values=values)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(Means(), tmp_path_factory.mktemp("classifier") / "saved_model", task="classification\n")


def patches(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An image of squares of 5 pixels, each of one channel."""
    classes = np.random.default_rng(seed).integers(0, 3, [-(-height // 5), -(-width // 5)])
    blocks = np.eye(3, dtype=np.uint8)[classes] * 200 + 20
    return blocks.repeat(5, axis=0).repeat(5, axis=1)[:height, :width]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, their true masks in another folder, a photo that lies on its side, and files that are none."""
    base = tmp_path_factory.mktemp("photos")
    for folder in ("photos/sub", "masks/sub"):
        (base / folder).mkdir(parents=True)
    for number, name in enumerate(("a", "sub/b")):
        image = patches(40, 60, number)
        PIL.Image.fromarray(image).save(base / f"photos/{name}.png")
        mask = image.argmax(axis=-1).astype(np.uint8) + 1
        mask[:10] = 0
        mask[10:12, :3] = 1 + mask[10:12, :3] % 3  # six wrong pixels
        PIL.Image.fromarray(mask).save(base / f"masks/{name}_gt.png")
    upright = patches(50, 30, 7)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    lying = PIL.Image.fromarray(np.rot90(upright))
    lying.save(base / "photos/photo.jpg", quality=100, subsampling=0, exif=exif)
    of_stored = np.rot90(upright.argmax(axis=-1).astype(np.uint8) + 1)
    PIL.Image.fromarray(of_stored).save(base / "masks/photo_gt.png")
    (base / "photos/notes.txt").touch()
    (base / "photos/README").touch()
    (base / "photos/.hidden.png").touch()
    return base


def mask_of(path: Path) -> np.ndarray:
    image = PIL.Image.open(path)
    assert image.mode == "P"
    return np.asarray(image)


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_folder_becomes_masks_overlays_and_a_table(segmenter: Path, photos: Path, tmp_path: Path) -> None:
    done = run("predict", "--trust", f"--model={segmenter}", "--out=new/out", photos / "photos", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1
    assert "left out what is no image: 1 .txt, 1 without an extension" in done.stderr
    out = tmp_path / "new/out"
    names = {f"{kind}/{name}.png" for kind in ("masks", "overlays") for name in ("a", "photo", "sub/b")}
    assert tree(out) == names | {"predictions.csv"}
    for number, name in enumerate(("a", "sub/b")):
        np.testing.assert_array_equal(mask_of(out / f"masks/{name}.png"), patches(40, 60, number).argmax(axis=-1))
    np.testing.assert_array_equal(mask_of(out / "masks/photo.png"), patches(50, 30, 7).argmax(axis=-1))
    rows = table(out)
    assert [row["image"] for row in rows] == [str(photos / f"photos/{n}") for n in ("a.png", "photo.jpg", "sub/b.png")]
    found = patches(40, 60, 0).argmax(axis=-1)
    for number, name in enumerate(NAMES):
        assert float(rows[0][name]) == pytest.approx(np.mean(found == number))


@pytest.mark.slow
@pytest.mark.parametrize("tile", [(), ("--tile=16x20", "--overlap=3"), ("--tile=30",)])
def test_predictions_are_measured_with_true_masks(
    tile: tuple[str, ...], segmenter: Path, photos: Path, tmp_path: Path
) -> None:
    """Masks mean what the exported network says; images are compared upright, in their own size."""
    words = (
        "--trust",
        f"--model={segmenter}",
        f"--masks={photos / 'masks'}",
        *tile,
        "--json",
        "--out=out",
        photos / "photos",
    )
    done = run("predict", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == printed["metrics"]
    assert json.loads((tmp_path / "out/predictions.json").read_text()) == printed["images"]
    metrics = printed["metrics"]
    assert metrics["images"] == 3
    assert metrics["pixel_accuracy"] == pytest.approx(1 - 12 / (2 * 30 * 60 + 50 * 30))
    assert metrics["mIoU"] == pytest.approx(np.mean([metrics[f"IoU/{name}"] for name in NAMES]))
    assert 0.98 < metrics["mIoU"] < 1


@pytest.mark.slow
def test_metrics_follow_the_lines(segmenter: Path, photos: Path) -> None:
    words = ("--trust", f"--model={segmenter}", f"--masks={photos / 'masks'}", photos / "photos/a.png")
    done = run("predict", *words)
    assert done.returncode == 0, done.stderr
    first, empty, overall, *classes = done.stdout.splitlines()
    assert first.startswith(f"{photos / 'photos/a.png'}  ")
    assert empty == ""
    assert overall.startswith("mIoU 0.99")
    assert overall.endswith(" on 1 image")
    assert [line.split()[0] for line in classes] == [f"IoU/{name}" for name in NAMES]


@pytest.mark.slow
def test_files_that_cannot_be_decoded_are_told_at_the_end_and_the_others_predicted(
    segmenter: Path, photos: Path, tmp_path: Path
) -> None:
    """The header of one is whole, so that only its turn shows it."""
    good, content = photos / "photos/a.png", (photos / "photos/a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "bad.tif").write_bytes(b"no image")
    words = ("predict", "--trust", f"--model={segmenter}", "--out=out")
    done = run(*words, "cut.png", "bad.tif", good, cwd=tmp_path)
    assert done.returncode == 1
    first, last = beyond_first_lines(done.stderr)
    assert first == "left out: bad.tif cannot be decoded; fix or remove it"
    both = "2 files cannot be decoded; fix or remove them: bad.tif, cut.png; predicted on the other 1"
    assert last == f"rl_nas predict: {both} (--debug shows where)"
    assert done.stdout.startswith(str(good))
    assert [row["image"] for row in table(tmp_path / "out")] == [str(good)]
    assert (tmp_path / "out/masks/a.png").exists()
    done = run("predict", "--trust", f"--model={segmenter}", "--out=none", "cut.png", cwd=tmp_path)
    assert done.returncode == 2
    assert beyond_first_lines(done.stderr) == ["rl_nas predict: cut.png cannot be decoded; fix or remove it"]
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_classifier_writes_a_table(classifier: Path, photos: Path, tmp_path: Path) -> None:
    done = run("predict", "--trust", f"--model={classifier}", "--top=2", "--out=out", photos / "photos", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "out") == {"predictions.csv"}
    rows = table(tmp_path / "out")
    assert list(rows[0]) == ["image", "1/class", "1/probability", "2/class", "2/probability"]
    parts = patches(40, 60, 0).sum(axis=(0, 1)) / patches(40, 60, 0).sum()
    assert rows[0]["1/class"] == NAMES[parts.argmax()]
    assert float(rows[0]["1/probability"]) == pytest.approx(parts.max(), abs=1e-4)


@pytest.mark.slow
def test_images_in_folders_of_classes_are_measured(classifier: Path, tmp_path: Path) -> None:
    """Files of one name in two folders are no conflict, as nothing is drawn."""
    for name, channel in {"red/1": 0, "red/2": 0, "green/1": 1, "blue/1": 1, "purple/1": 2}.items():
        (tmp_path / "photos/test" / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.eye(3, dtype=np.uint8)[[[channel]]] * 200).save(tmp_path / f"photos/test/{name}.png")
    PIL.Image.new("RGB", (2, 2), (200, 0, 0)).save(tmp_path / "photos/test/red/1.jpg")
    words = ("predict", "--trust", f"--model={classifier}")
    low, high = proportion_interval(4, 5)
    for place, split in (("photos", "test"), ("photos/test", "")):
        done = run(*words, "--out=out", place, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (line,) = beyond_first_lines(done.stderr)
        assert line == "not measured: 1 images in folders that are no classes of the model: purple (1)"
        last = f"accuracy 0.8000 (95%: {low:.4f} to {high:.4f}) on 5 images"
        assert done.stdout.splitlines()[-1] == last, split
        recorded = {"images": 5, "accuracy": 0.8, "accuracy_low": low, "accuracy_high": high}
        assert json.loads((tmp_path / "out/metrics.json").read_text()) == recorded
        truths = [row["true_class"] for row in table(tmp_path / "out")]
        assert sorted(truths) == ["", "blue", "green", "red", "red", "red"]  # purple is no class
        shutil.rmtree(tmp_path / "out")
    done = run(*words, "--json", "photos/test/red", cwd=tmp_path)
    assert set(json.loads(done.stdout)) == {f"photos/test/red/{name}" for name in ("1.jpg", "1.png", "2.png")}
    assert not beyond_first_lines(done.stderr)


@pytest.mark.slow
def test_networks_that_do_not_say_what_masks_mean_count_classes_from_0(photos: Path, tmp_path: Path) -> None:
    export(Channels(), tmp_path / "model", task="segmentation\n")
    (tmp_path / "masks").mkdir()
    PIL.Image.fromarray(patches(40, 60, 0).argmax(axis=-1).astype(np.uint8)).save(tmp_path / "masks/a.png")
    words = ("--trust", "--model=model", "--masks=masks", "--json", photos / "photos/a.png")
    done = run("predict", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["mIoU"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("absent.png",), "absent.png: no such file; expected an image, or a folder of images"),
        (("empty",), "empty holds no image; expected files that end in .jpg"),
        (("text.png",), "text.png cannot be decoded"),
        (("--out=full", "{a}"), "--out=full holds other files; give a new or an empty folder"),
        (("--out=out", "{a}", "a.jpg"), "a.jpg would both be written to a.png"),
        (("--masks=nowhere", "{a}"), "--masks=nowhere: no such folder"),
        (("--masks=empty", "{a}"), "images without a mask: 1, such as a.png"),
        (("--overlap=4", "{a}"), "--overlap=4 is of tiles"),
        (("--ignore_label=0", "{a}"), "--ignore_label is about true masks, and there are none"),
        (("--masks=small", "{a}"), "has 2x2 pixels, its image 40x60; expected as many"),
    ],
)
def test_wrong_use_is_one_line_before_any_work(
    words: tuple[str, ...], message: str, segmenter: Path, photos: Path, tmp_path: Path
) -> None:
    for folder in ("empty", "full", "small"):
        (tmp_path / folder).mkdir()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "full/file").touch()
    PIL.Image.new("RGB", (3, 3)).save(tmp_path / "a.jpg")
    PIL.Image.new("L", (2, 2)).save(tmp_path / "small/a.png")
    before = sorted(tmp_path.rglob("*"))
    given = [word.format(a=photos / "photos/a.png") for word in words]
    done = refuse("predict", "--trust", f"--model={segmenter}", *given, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1
    assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("flag", ["--tile=64", "--masks=masks", "--classes=3"])
def test_flags_of_another_task_are_refused(flag: str, classifier: Path, photos: Path) -> None:
    done = refuse("predict", "--trust", f"--model={classifier}", flag, photos / "photos/a.png")
    assert done.returncode == 2
    assert done.stderr == f"rl_nas predict: {flag} has no effect with --task=classification; leave it out\n"


@pytest.mark.slow
def test_names_of_files_cannot_steer_a_terminal(classifier: Path, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (4, 4), (9, 0, 0)).save(tmp_path / "a\x1b[2J.png")
    (tmp_path / "notes.\x1b[2J").write_text("")
    done = run("predict", "--trust", f"--model={classifier}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert r"a\x1b[2J.png" in done.stdout
    assert r"left out what is no image: 1 .\x1b[2j" in done.stderr
    (tmp_path / "a\x1b[2J.png").write_text("")
    broken = refuse("predict", "--trust", f"--model={classifier}", tmp_path)
    assert broken.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr + broken.stderr
