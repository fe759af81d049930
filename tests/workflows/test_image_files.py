"""`rl_nas predict` reads the images that searches and trainings read."""

import os
import re
from pathlib import Path

import image_bombs
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from rl_nas.child.data.broken_images import refusal_of
from rl_nas.child.data.image_header import ImageHeader
from rl_nas.errors import UsageError
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.predictor import ImageFile, Predictor
from rl_nas.workflows.image_files import find_images, readable_files
from rl_nas.workflows.predict import Served, predict_files

ENDINGS = (".bmp", ".gif", ".jpg", ".png", ".ppm", ".tif", ".webp")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of one color, whose red is their place among the endings."""
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
    assert told == [f"{photos}: left out what is no image: 1 .txt, such as {photos}/sub/notes.txt"]
    assert readable_files(files, Predictor(), {}) == files

    def red(images: tf.Tensor) -> dict[str, tf.Tensor]:
        share = tf.reduce_mean(tf.cast(images, tf.float32)[..., 0], [1, 2]) / 255
        return {"probabilities": tf.stack([share, 1 - share], axis=1)}

    found = {
        prediction.file.name: float(prediction.outputs["probabilities"][0]) * 255 / 30
        for prediction in predict_files(Classification(), Served(red, 3), ("red", "other"), Predictor(), files, 2, {})
    }
    names = [*(f"sub/a{ending}" for ending in ENDINGS[:-1]), "sub/b.jpg"]
    assert found == {name: pytest.approx(number, abs=0.1) for number, name in enumerate(names)}


def test_all_that_are_no_images_are_named_at_once_and_the_others_stay(photos: Path) -> None:
    good = find_images([str(photos)], Predictor(), lambda line: None)
    for name in ("c.png", "d.tif"):
        (photos / "sub" / name).write_bytes(np.zeros(99, np.uint8).tobytes())
    files, problems = find_images([str(photos)], Predictor(), lambda line: None), dict[str, str]()
    assert readable_files(files, Predictor(), problems) == good
    told = r"^2 files cannot be decoded; fix or remove them: .*/c\.png, .*/d\.tif$"
    assert re.match(told, str(refusal_of(problems)))
    with pytest.raises(UsageError, match=told):
        readable_files([file for file in files if file not in good], Predictor(), {})


def test_a_file_whose_target_does_not_fit_is_told_by_its_name(photos: Path) -> None:
    class OfOneSize(Predictor):
        def check(self, file: ImageFile, header: ImageHeader) -> None:
            if file.path.name == "a.png":
                raise UsageError(f"{photos}/mask.png has 2x2 pixels")

    files, problems = find_images([str(photos / "sub/a.png"), str(photos)], Predictor(), lambda line: None), {}
    rest = readable_files(files, OfOneSize(), problems)
    assert problems == {str(photos / "sub/a.png"): f"{photos}/mask.png has 2x2 pixels"}
    assert [file for file in files if file.path.name == "a.png"] == [file for file in files if file not in rest]


def test_links_out_of_a_folder_are_refused_or_trusted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pictures of predictions show the image."""
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    PIL.Image.new("RGB", (9, 6)).save(secret)
    (photos / "sub/inside.png").symlink_to(photos / "sub/a.png")
    (photos / "sub/z.png").symlink_to(secret)
    with pytest.raises(UsageError, match=rf"^{photos}: links out of the folder: 1, such as .*/sub/z\.png; put "):
        find_images([str(photos)], Predictor(), lambda line: None)
    told: list[str] = []
    files = find_images([str(photos)], Predictor(), told.append, trust=True)
    assert [file.path.name for file in files][-2:] == ["inside.png", "z.png"]
    assert told == [f"{photos}: links out of the folder: 1, such as {photos}/sub/z.png; followed"]
    (named,) = find_images([str(photos / "sub/z.png")], Predictor(), told.append)  # by the user
    assert named.path == photos / "sub/z.png"


def test_an_image_is_bounded_when_it_is_decoded(photos: Path) -> None:
    """It may have changed since the headers of all were read."""
    files = find_images([str(photos / "sub/a.png")], Predictor(), lambda line: None)
    assert readable_files(files, Predictor(), {}) == files
    files[0].path.write_bytes(image_bombs.png())
    problems: dict[str, str] = {}
    assert not [*predict_files(Classification(), Served(lambda images: {}, 3), (), Predictor(), files, 1, problems)]
    assert re.match(r"has 900000000 pixels; expected at most .*: resize it$", problems[str(photos / "sub/a.png")])


def test_an_image_that_takes_all_memory_is_told_and_the_others_are_predicted(photos: Path) -> None:
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        if images.shape[1] > 6:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        return {"probabilities": tf.ones([1, 2]) / 2}

    PIL.Image.new("RGB", (9, 60)).save(photos / "large.png")
    files = find_images([str(photos / "large.png"), str(photos / "sub/a.png")], Predictor(), lambda line: None)
    problems: dict[str, str] = {}
    (one,) = predict_files(Classification(), Served(serve, 3), ("a", "b"), Predictor(), files, 1, problems)
    assert one.file.name == "a.png"
    assert [*problems] == [str(photos / "large.png")]


def test_names_of_files_need_not_be_utf_8(photos: Path) -> None:
    path = photos / os.fsdecode(b"caf\xe9.png")
    (photos / "sub/a.png").rename(path)
    (file,) = find_images([str(path)], Predictor(), lambda line: None)
    serve = Served(lambda images: {"probabilities": tf.ones([1, 2]) / 2}, 3)
    (found,) = predict_files(Classification(), serve, ("a", "b"), Predictor(), [file], 1, {})
    assert found.image.shape == (6, 9, 3)
