"""Reading of masks: values come back as they were written, or the file is refused."""

import io
from typing import Any

import image_bombs
import numpy as np
import pytest
from mask_files import gray_png, palette_png, png, saved
from PIL import Image, PngImagePlugin

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.masks import COLOR, HEADER_BYTES, decode_mask, mask_size, read_header, value_name

SEEDS = range(10)


def random(seed: int, *, below: int = 256, channels: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 20, 2))
    return rng.integers(0, below, size if channels is None else (*size, channels))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_gray_mask_gives_its_samples(seed: int, dtype: type) -> None:
    values = random(seed, below=np.iinfo(dtype).max + 1).astype(dtype)
    found = decode_mask(png(values), "a.png")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_gray_mask_of_few_bits_gives_its_samples_and_no_brightness(seed: int, depth: int) -> None:
    values = random(seed, below=2**depth)
    found = decode_mask(gray_png(values, depth), "a.png")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_mask_gives_its_indices_whatever_its_colors(seed: int, bits: int) -> None:
    values = random(seed, below=2**bits)
    palette = np.random.default_rng(seed).integers(0, 256, [256, 3])  # colors may be there twice
    found = decode_mask(palette_png(values, palette[: 2**bits], bits=bits), "a.png")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, values)


def test_a_transparent_index_is_an_index() -> None:
    values = np.array([[0, 1, 2]])
    content = palette_png(values, np.zeros([256, 3]), transparency=1)
    np.testing.assert_array_equal(decode_mask(content, "a.png"), values)
    np.testing.assert_array_equal(decode_mask(png(values.astype(np.uint8), transparency=1), "a.png"), values)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("opaque", [False, True])
def test_colors_are_values_of_24_bits_and_an_opaque_alpha_channel_changes_nothing(seed: int, opaque: bool) -> None:
    colors = random(seed, channels=3).astype(np.uint8)
    written = np.dstack([colors, np.full(colors.shape[:2], 255, np.uint8)]) if opaque else colors
    found = decode_mask(png(written), "a.png")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found - COLOR, colors.astype(int) @ [2**16, 2**8, 1])


def test_gray_with_an_opaque_alpha_channel_is_gray() -> None:
    values = random(0).astype(np.uint8)
    content = saved(Image.merge("LA", [Image.fromarray(values), Image.new("L", values.shape[::-1], 255)]))
    np.testing.assert_array_equal(decode_mask(content, "a.png"), values)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_pixels_are_refused(mode: str) -> None:
    image = Image.new(mode, (3, 2), (7,) * (len(mode) - 1) + (255,))
    image.putpixel((1, 1), (7,) * (len(mode) - 1) + (254,))
    with pytest.raises(UsageError, match=r"a\.png has an alpha channel that is not opaque; export masks without"):
        decode_mask(saved(image), "a.png")


def test_lossy_and_other_files_are_refused() -> None:
    image = Image.new("L", (4, 4))
    with pytest.raises(UsageError, match=r"mask a\.png is a JPEG, which changes the classes"):
        decode_mask(saved(image, "JPEG"), "a.png")
    for content in (saved(image, "GIF"), saved(image, "PPM"), b"", b"\x89PNG\r\n\x1a\n", b"no image" * 10):
        with pytest.raises(UsageError, match=r"mask a\.png is not a PNG image"):
            decode_mask(content, "a.png")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_bitmaps_give_what_png_does(seed: int, kind: str) -> None:
    """Samples, indices whatever their colors, colors, bits."""
    values = random(seed)
    palette = Image.fromarray(values.astype(np.uint8))
    palette.putpalette(np.random.default_rng(seed).integers(0, 256, 768).astype(np.uint8).tobytes())
    colors = Image.fromarray(random(seed, channels=3).astype(np.uint8))
    for image in (Image.fromarray(values.astype(np.uint8)), palette, colors):
        content = saved(image, kind)
        found, expected = decode_mask(content, "a"), decode_mask(saved(image), "a.png")
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert mask_size(io.BytesIO(content), "a") == found.shape


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_tiff_of_16_bits_gives_its_samples(compression: str | None) -> None:
    values = random(0, below=2**16).astype(np.uint16)
    found = decode_mask(saved(Image.fromarray(values), "TIFF", compression=compression), "a.tif")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, values)
    alpha = Image.merge("LA", [Image.new("L", (3, 2), 7), Image.new("L", (3, 2), 255)])
    np.testing.assert_array_equal(decode_mask(saved(alpha, "TIFF"), "a.tif"), np.full((2, 3), 7))


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (Image.new("RGB", (16, 16)), {"compression": "jpeg"}, "has the compression jpeg, which changes the classes"),
        (Image.new("F", (4, 4)), {}, "has pixels of Pillow's mode F"),
        (Image.new("L", (4, 4)), {"tiffinfo": {262: 0}}, "has samples that do not begin at black"),
        (Image.new("1", (4, 4)), {}, "has samples of 1 bits"),
        (Image.new("CMYK", (4, 4)), {}, "has pixels of Pillow's mode CMYK"),
    ],
)
def test_a_tiff_whose_values_are_no_classes_is_refused(image: Image.Image, options: Any, message: str) -> None:
    content = saved(image, "TIFF", **options)
    for read in (decode_mask, lambda content, name: mask_size(io.BytesIO(content), name)):
        with pytest.raises(UsageError, match=rf"^mask a\.tif {message}.*; export masks as PNG$"):
            read(content, "a.tif")


def test_a_bitmap_that_is_cut_off_is_one_line() -> None:
    for kind in ("BMP", "TIFF"):
        content = saved(Image.fromarray(np.zeros([40, 40], np.uint8)), kind)
        with pytest.raises(UsageError, match=r"^mask a cannot be decoded; fix or remove it$"):
            decode_mask(content[:-900], "a") if kind == "BMP" else decode_mask(content[:900], "a")


def test_colors_of_16_bits_are_refused() -> None:
    content = bytearray(png(np.zeros([2, 2, 3], np.uint8)))
    content[24] = 16
    with pytest.raises(UsageError, match="has colors of 16 bits; expected gray of 8 or 16 bits"):
        decode_mask(bytes(content), "a.png")


@pytest.mark.parametrize("seed", range(40))
def test_a_broken_file_is_one_line(seed: int) -> None:
    """Whatever is cut off or overwritten: values, or an error of ours."""
    rng = np.random.default_rng(seed)
    content = bytearray(palette_png(random(seed), rng.integers(0, 256, [256, 3])))
    if seed % 2:
        del content[rng.integers(HEADER_BYTES, len(content)) :]
    else:
        for place in rng.integers(HEADER_BYTES, len(content), 5):
            content[place] = rng.integers(256)
    problem = "a.png"
    try:
        decode_mask(bytes(content), "a.png")
    except UsageError as error:
        problem = str(error)
    assert "a.png" in problem
    assert "\n" not in problem


def test_a_bomb_of_text_or_of_pixels_is_refused() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("a", "x" * 2**27, zip=True)
    with pytest.raises(UsageError, match="cannot be decoded"):
        decode_mask(png(np.zeros([2, 2], np.uint8), pnginfo=notes), "a.png")
    content = bytearray(png(np.zeros([2, 2], np.uint8)))
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    with pytest.raises(UsageError, match=r"mask a\.png has 10000000000 pixels; expected at most"):
        decode_mask(bytes(content), "a.png")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_header_tells_the_size_that_decoding_gives(seed: int) -> None:
    content = png(random(seed).astype(np.uint8))
    assert read_header(content[:HEADER_BYTES], "a.png").size == decode_mask(content, "a.png").shape
    assert read_header(content, "a.png").size == Image.open(io.BytesIO(content)).size[::-1]


def test_values_are_named_as_they_are_written() -> None:
    assert [value_name(value) for value in (0, 11, 65535, COLOR, COLOR + 0x804080)] == [
        *("0", "11", "65535", "#000000", "#804080")
    ]


@pytest.mark.parametrize("content", [image_bombs.bmp(), image_bombs.tiff()], ids=["bmp", "tiff"])
def test_masks_that_take_far_more_room_than_their_pixels_are_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^mask a\.png has \d+ pixels; expected at most 178,956,970: resize it$"):
        decode_mask(content, "a.png")
