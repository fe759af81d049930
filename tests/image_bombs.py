"""Image files of a few kilobytes that declare more pixels than memory holds."""

import io
import struct
import zlib

import PIL.Image

SIDE = 30_000


def png(height: int = SIDE, width: int = SIDE, before: bytes = b"") -> bytes:
    """A gray PNG image whose header alone is true; `before` that comes a chunk that decoders skip."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    first = chunk(b"prVt", before) if before else b""
    return b"\x89PNG\r\n\x1a\n" + first + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def late_png() -> bytes:
    """A PNG image with small numbers where the sides usually are."""
    return png(before=struct.pack(">II", 1, 1))


def jpeg(height: int = SIDE, width: int = SIDE) -> bytes:
    """A JPEG image with other sides in its frame header (ISO/IEC 10918-1, B.2.2)."""
    content = _saved("JPEG")
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]


def gif(frames: int = 10, height: int = 8000, width: int = 8000) -> bytes:
    """A GIF film: each frame is below the limit, all together are above."""
    content = _saved("GIF")
    place = content.index(b"\x2c", 13 + 3 * 2)
    frame = content[place:-1]
    frame = frame[:5] + struct.pack("<HH", width, height) + frame[9:]
    return content[:place] + frame * frames + b";"


def cross_gif(side: int = SIDE) -> bytes:
    """A GIF film of a wide and a high frame, which have few pixels; each becomes as wide and as high as both."""
    wide, high = gif(1, 1, side), gif(1, side, 1)
    return wide[:-1] + high[high.index(b"\x2c", 13 + 3 * 2) :]


def webp(side: int = 9000) -> bytes:
    """A WebP film of three frames: one alone is below the limit; its header declares the sides."""
    content, (first, *others) = io.BytesIO(), [PIL.Image.new("RGBA", (16, 16), (n, 0, 0, 9)) for n in range(3)]
    first.save(content, "WEBP", save_all=True, append_images=others, lossless=True)
    sides = 2 * (side - 1).to_bytes(3, "little")
    return content.getvalue()[:24] + sides + content.getvalue()[30:]


def bmp(width: int = 1_000_000) -> bytes:
    """A BMP image of one line, of run lengths that skip 255 lines (Microsoft, BITMAPINFOHEADER, BI_RLE8)."""
    skipped = b"\0\2\xff\xff"
    palette = bytes(4 * 256)
    start = 14 + 40 + len(palette)
    head = struct.pack("<2sIII", b"BM", start + len(skipped), 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, width, 1, 1, 8, 1, len(skipped), 0, 0, 256, 0) + palette + skipped


def tiff(side: int = SIDE - 16) -> bytes:
    """A TIFF image of 16x16 pixels in one tile of far more (TIFF 6.0, sections 2 and 15)."""
    tile = zlib.compress(bytes(1000))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(tile)}
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + len(tile))
    return head + tile + struct.pack("<H", len(tags)) + fields + bytes(4)


def _saved(kind: str) -> bytes:
    content = io.BytesIO()
    PIL.Image.new("L", (16, 16)).save(content, kind)
    return content.getvalue()
