"""Image files of a few kilobytes that declare more pixels than memory holds."""

import io
import struct
import zlib

import PIL.Image

SIDE = 30_000


def png(height: int = SIDE, width: int = SIDE) -> bytes:
    """A gray PNG image whose header alone is true."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


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


def _saved(kind: str) -> bytes:
    content = io.BytesIO()
    PIL.Image.new("L", (16, 16)).save(content, kind)
    return content.getvalue()
