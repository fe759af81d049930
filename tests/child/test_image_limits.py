"""Images that would take too much memory are refused by their headers, before anything is decoded."""

import io
import os
import struct
from pathlib import Path

import image_bombs
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from classifying import image_data, image_source

from rl_nas.child.data.image_decoding import image_problem
from rl_nas.child.data.image_header import TooLargeError, frames_pixels, read_image_header
from rl_nas.child.data.image_limits import MOST_SCANS, size_problem
from rl_nas.child.data.images import load_images
from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.jpeg_scans import jpeg_scans
from rl_nas.child.data.settings import DataSettings, InputPipelineSettings
from rl_nas.errors import UsageError

KINDS = {
    "png": image_bombs.png,
    "late png": image_bombs.late_png,
    "jpg": image_bombs.jpeg,
    "gif": image_bombs.gif,
    "cross gif": image_bombs.cross_gif,
    "webp": image_bombs.webp,
    "bmp": image_bombs.bmp,
    "tiff": image_bombs.tiff,
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_counted_by_the_header_alone(kind: str) -> None:
    content = KINDS[kind]()
    assert len(content) < 4000
    with pytest.raises(TooLargeError, match=r"has \d+ pixels; expected at most 178,956,970: resize it"):
        read_image_header(io.BytesIO(content))
    assert size_problem(tf.constant(content)).numpy().startswith(b"has ")
    assert (image_problem(content) or "").endswith("resize it")
    (problem,) = tf.data.Dataset.from_tensors(content).map(size_problem).as_numpy_iterator()
    assert problem.decode().endswith("resize it")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_ordinary_images_have_no_problem(kind: str) -> None:
    content = io.BytesIO()
    PIL.Image.new("RGB", (30, 20)).save(content, kind)
    assert size_problem(tf.constant(content.getvalue())).numpy() == b""
    assert image_problem(content.getvalue()) is None
    assert read_image_header(content).stored == (20, 30)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"no image", b"BM", image_bombs.png()[:20]])
def test_what_is_no_image_is_left_to_the_decoder(content: bytes) -> None:
    assert size_problem(tf.constant(content)).numpy() == b""
    assert image_problem(content) == "cannot be decoded; fix or remove it"


def test_frames_of_films_are_counted() -> None:
    frames = [PIL.Image.fromarray(np.full([20, 30, 3], 40 * n, np.uint8)) for n in range(5)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    assert frames_pixels(content) == 5 * 20 * 30


def test_frames_count_as_decoders_make_them() -> None:
    content = image_bombs.cross_gif(50)
    decoded = tf.io.decode_image(content)
    assert frames_pixels(io.BytesIO(content)) * 3 == tf.size(decoded) == 2 * 50 * 50 * 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(5):
            PIL.Image.new("RGB", (9, 6)).save(tmp_path / "train" / name / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_searches_and_trainings_name_the_file(kind: str, folder: Path) -> None:
    """The decoder goes by the content, whatever the file is called."""
    settings = DataSettings(dataset=f"folder:{folder}", image_size="4", valid_fraction=0.2)
    source = image_source(settings)
    bomb = folder / "train" / "dog" / "3.png"
    bomb.write_bytes(KINDS[kind]())
    with pytest.raises(UsageError, match=rf"^{bomb} has \d+ pixels; expected at most 178,956,970: resize it$"):
        image_source(settings)
    # Files may change, and of very many not all are looked at before they are decoded.
    pipeline = InputPipeline(source, InputPipelineSettings(normalization="unit"), seed=0)
    with pytest.raises(UsageError, match=f"^{bomb} has "), source.decoding_errors():
        list(pipeline.train(0, 1)), list(pipeline.measured("valid", 1))
    with pytest.raises(UsageError, match=f"^{bomb} has "):
        load_images(source)


def test_files_that_never_end_are_not_read(folder: Path) -> None:
    pipe = folder / "train" / "dog" / "3.jpg"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match=f"^{pipe} is a pipe or a device; expected a regular file; remove it$"):
        image_data(DataSettings(dataset=f"folder:{folder}", image_size="4"))
    pipe.unlink()
    with pipe.open("wb") as file:
        file.truncate(10 * 2**30)  # sparse
    with pytest.raises(UsageError, match="10,737,418,240 bytes; expected at most"):
        image_data(DataSettings(dataset=f"folder:{folder}", image_size="4"))


def progressive(scans: int, before: bytes = b"", behind: bytes = b"") -> bytes:
    """A progressive JPEG image with its last scan again and again, and further bytes as metadata and behind its end."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (32, 32), (10, 200, 30)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    metadata = b"\xff\xed" + struct.pack(">H", len(before) + 2) + before if before else b""
    more = scans - content.count(b"\xff\xda")
    return content[:2] + metadata + content[2:end] + content[last:end] * more + b"\xff\xd9" + behind


def test_scans_of_a_progressive_image_are_bounded() -> None:
    """Each changes all pixels: some megabytes of them would take hours."""
    for count in (10, MOST_SCANS, MOST_SCANS + 1, 5000):
        content = progressive(count)
        assert jpeg_scans(content) == count
        problem = size_problem(tf.constant(content)).numpy().decode()
        assert problem == ("" if count <= MOST_SCANS else f"has {count:,} scans; expected at most 100: save it again")
        (mapped,) = tf.data.Dataset.from_tensors(content).map(size_problem).as_numpy_iterator()
        assert mapped.decode() == problem


def test_scans_in_metadata_and_behind_an_image_do_not_count() -> None:
    """Previews, depth maps and the films of phones may hold any bytes."""
    content = progressive(10, before=b"\xff\xda" * 5000, behind=b"\xff\xda" * 5000)
    assert jpeg_scans(content) == 10
    assert size_problem(tf.constant(content)).numpy() == b""


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 5, 100, -2, -1])
def test_scans_of_broken_files_are_counted_as_far_as_they_go(cut: int) -> None:
    assert 0 <= jpeg_scans(progressive(10)[:cut]) <= 10
