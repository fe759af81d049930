"""Images in files of all formats are read alike, by their content, whatever their names say."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from rl_nas.child.data.broken_images import header_remarks, read_headers
from rl_nas.child.data.image_decoding import decode_image, image_problem
from rl_nas.child.data.image_header import TooDeepError, read_image_header
from rl_nas.errors import UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")
DAMAGED = "cannot be decoded; fix or remove it"


def saved(image: PIL.Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    image = PIL.Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def read(content: tf.Tensor) -> tf.Tensor:
    return decode_image(content, 3)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_formats_without_loss_give_their_pixels(kind: str) -> None:
    content = saved(PIXELS, kind)
    np.testing.assert_array_equal(read(content), PIXELS)
    np.testing.assert_array_equal(decode_image(tf.constant(content), 3), PIXELS)  # eagerly, as `rl_nas predict` does
    assert read_image_header(io.BytesIO(content)).stored == (20, 30)
    assert image_problem(content) is None


def test_others_give_what_pillow_shows() -> None:
    webp, gif = saved(PIXELS, "WEBP", lossless=True), saved(PIXELS, "GIF")
    np.testing.assert_array_equal(read(webp), PIXELS)
    np.testing.assert_array_equal(read(gif), np.asarray(PIL.Image.open(io.BytesIO(gif)).convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1"])
def test_transparency_palettes_and_bits_become_colors(kind: str, mode: str) -> None:
    rgba = np.dstack([PIXELS, PIXELS[..., 0]])
    image = PIL.Image.fromarray(rgba if mode == "RGBA" else PIXELS).convert(mode)
    content = saved(image, kind, lossless=True) if kind == "WEBP" else saved(image, kind)
    shown = PIL.Image.open(io.BytesIO(content)).convert("RGBA").convert("RGB")
    opaque = PIL.Image.open(io.BytesIO(content)).convert("RGBA").getextrema()[3] == (255, 255)
    found = read(content).numpy()
    assert found.shape == PIXELS.shape
    if opaque or kind in ("PNG", "TIFF"):  # others change what is transparent
        np.testing.assert_array_equal(found, np.asarray(shown))


@pytest.mark.parametrize(("kind", "channels"), [("BMP", 1), ("TIFF", 1), ("WEBP", 4), ("PNG", 1)])
def test_networks_get_the_channels_that_they_read(kind: str, channels: int) -> None:
    assert decode_image(tf.constant(saved(PIXELS, kind)), channels).shape == (20, 30, channels)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_of_16_bits_the_upper_8_are_taken_in_all_formats(kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 2**16, (9, 7)).astype(np.uint16)
    file = tmp_path / f"a.{kind.lower()}"
    file.write_bytes(saved(values, kind))
    np.testing.assert_array_equal(read(file.read_bytes())[..., 0], values >> 8)
    (header,) = headers = read_headers([file])
    assert header.bits == 16
    assert header_remarks([file], headers, tmp_path) == [
        f"{tmp_path}: images of more than 8 bits a channel, of which the upper 8 are read: 1, such as {file}"
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_32_bits_are_refused_by_name(dtype: type, tmp_path: Path) -> None:
    content, file = saved(np.zeros([4, 4], dtype), "TIFF"), tmp_path / "a.tif"
    with pytest.raises(TooDeepError):
        read_image_header(io.BytesIO(content))
    file.write_bytes(content)
    with pytest.raises(UsageError, match=rf"^{file} has 32 or more bits a channel; expected 8 or 16: convert it$"):
        read_headers([file])
    assert (image_problem(content) or "").startswith("has 32")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_films_the_first_frame_is_read_and_that_is_told(kind: str, tmp_path: Path) -> None:
    frames = [PIL.Image.new("RGB", (9, 6), color) for color in ("red", "green", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    file = tmp_path / "film"
    file.write_bytes(saved(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    np.testing.assert_array_equal(read(file.read_bytes()), np.broadcast_to([255, 0, 0], (6, 9, 3)))
    (header,) = headers = read_headers([file])
    assert header.animated
    assert header_remarks([file], headers, tmp_path) == [
        f"{tmp_path}: images of several frames or pages, of which the first is read: 1, such as {file}"
    ]
    assert not read_image_header(io.BytesIO(saved(frames[0], kind))).animated


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
@pytest.mark.parametrize("number", range(1, 9))
def test_exif_turns_them_as_another_library_does(kind: str, number: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = number
    content = saved(PIXELS, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(read(content), expected)
    header = read_image_header(io.BytesIO(content))
    assert header.stored == header.seen == expected.shape[:2]
    assert expected.shape[:2] == ((30, 20) if number > 4 else (20, 30))


def test_photos_with_a_preview_are_one_photo_and_turned(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    content = saved(PIXELS, "MPO", save_all=True, append_images=[PIL.Image.fromarray(PIXELS)], exif=exif)
    header = read_image_header(io.BytesIO(content))
    assert (header.orientation, header.seen, header.animated) == (6, (30, 20), False)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "WEBP", "TIFF", "PPM", "PNG", "JPEG"])
def test_what_is_cut_off_or_no_image_is_an_error_in_the_pipeline(kind: str) -> None:
    content = saved(PIXELS, kind)
    for broken in (content[: len(content) // 2], content[:5], b"", b"no image" * 9):
        assert image_problem(broken) == DAMAGED
        with pytest.raises(tf.errors.InvalidArgumentError):
            read(broken)
