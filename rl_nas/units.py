"""Units of memory."""

GIB = 2**30
"""Bytes."""
MIB = 2**20
KIB = 2**10


def size_text(size: int) -> str:
    """A number of bytes as text, such as `3.2 GiB` or `0.4 MiB`."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"
