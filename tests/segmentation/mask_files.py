"""Small images and masks in files."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

KINDS = {".jpg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF", ".webp": "WEBP", ".tif": "TIFF"}


def png(pixels: np.ndarray, **options: Any) -> bytes:
    """A PNG file of uint8 or uint16 [height, width] or [height, width, channels]."""
    return saved(Image.fromarray(pixels), **options)


def palette_png(indices: np.ndarray, palette: np.ndarray, **options: Any) -> bytes:
    """A PNG file of indices and of colors [256, 3]."""
    image = Image.fromarray(indices.astype(np.uint8)).convert("L")
    image.putpalette(palette.astype(np.uint8).tobytes())
    return saved(image, **options)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gray_png(samples: np.ndarray, depth: int) -> bytes:
    """A gray PNG file of 1, 2 or 4 bits a sample, put together by hand: Pillow does not write them."""
    height, width = samples.shape
    bits = (samples[..., np.newaxis] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    lines = np.concatenate([np.zeros([height, 1], np.uint8), rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def write(path: Path, content: bytes) -> Path:
    """Writes a file into a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_pair(image: Path, mask: Path, value: int = 0, size: tuple[int, int] = (4, 6)) -> None:
    """Writes an image of one color, and a mask of one value, in formats that their names say."""
    write(image, saved(Image.new("RGB", size[::-1], (value, value, value)), KINDS[image.suffix]))
    write(mask, saved(Image.fromarray(np.full(size, value, np.uint8)), KINDS[mask.suffix]))
