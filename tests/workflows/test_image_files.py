"""`rl_nas predict` reads the images that searches and trainings read."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from rl_nas.errors import UsageError
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.predictor import Predictor
from rl_nas.workflows.image_files import check_headers, find_images
from rl_nas.workflows.predict import Served, predict_files

ENDINGS = (".bmp", ".gif", ".jpg", ".png", ".ppm", ".tif", ".webp")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of one colour, whose red is their place among the endings."""
    (tmp_path / "sub").mkdir()
    for number, ending in enumerate(ENDINGS):
        PIL.Image.new("RGB", (9, 6), (30 * number, 0, 0)).save(tmp_path / "sub" / f"a{ending}")
    (tmp_path / "sub/a.webp").rename(tmp_path / "sub/b.jpg")  # by another name
    return tmp_path


def test_all_formats_are_found_and_decoded(photos: Path) -> None:
    (photos / "__MACOSX").mkdir()
    (photos / "__MACOSX/a.png").write_bytes(b"")
    (photos / "sub/Thumbs.db").write_bytes(b"")
    (photos / "sub/notes.txt").write_bytes(b"")
    told: list[str] = []
    files = find_images([str(photos)], Predictor(), told.append)
    assert told == [f"{photos}: left out what is no image: 1 .txt"]
    check_headers(files, Predictor())

    def red(images: tf.Tensor) -> dict[str, tf.Tensor]:
        share = tf.reduce_mean(tf.cast(images, tf.float32)[..., 0], [1, 2]) / 255
        return {"probabilities": tf.stack([share, 1 - share], axis=1)}

    found = {
        prediction.file.name: float(prediction.outputs["probabilities"][0]) * 255 / 30
        for prediction in predict_files(Classification(), Served(red, 3), ("red", "other"), Predictor(), files, 2)
    }
    names = [*(f"sub/a{ending}" for ending in ENDINGS[:-1]), "sub/b.jpg"]
    assert found == {name: pytest.approx(number, abs=0.1) for number, name in enumerate(names)}


def test_all_that_are_no_images_are_named_at_once(photos: Path) -> None:
    for name in ("c.png", "d.tif"):
        (photos / "sub" / name).write_bytes(np.zeros(99, np.uint8).tobytes())
    files = find_images([str(photos)], Predictor(), lambda line: None)
    with pytest.raises(UsageError, match=r"^2 files cannot be decoded; fix or remove them: .*/c\.png, .*/d\.tif$"):
        check_headers(files, Predictor())
