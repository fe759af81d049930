"""The scans of a JPEG image (ISO/IEC 10918-1, annex B): one in a baseline image, some in a progressive one."""

import re

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""A marker among compressed pixels: no zero follows, which stands for a byte of 255, and it restarts nothing."""
_START, _END, _SCAN, _ALONE = 0xD8, 0xD9, 0xDA, 0x01


def jpeg_scans(content: bytes) -> int:
    """Number of scans up to the end of the image; metadata, and what lies behind the end, do not count.

    Args:
        content: of the file, which may be broken anywhere.
    """
    place = scans = 0
    while found := _MARKER.search(content, place):
        marker, place = found[1][0], found.end()
        if marker == _END:
            break
        if marker in (_START, _ALONE):
            continue
        scans += marker == _SCAN
        place += max(2, int.from_bytes(content[place : place + 2], "big"))  # of the segment, its length included
    return scans
