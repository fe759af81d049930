"""Pictures of the page, as data that a browser shows as images: nothing in them is executed."""

import base64
import io

from PIL import Image

from rl_nas.report.picture import genotype_svg
from rl_nas.spaces.decisions import Genotype

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGE = 300_000
"""Bytes from which a photograph is compressed with losses."""
_WIDEST = 1800
"""Pixels of one that is."""


def genotype_picture(genotype: Genotype) -> str:
    """A genotype, of any family, as the address of an SVG image, which is in the address itself."""
    return _address("image/svg+xml", genotype_svg(genotype).encode())


def png_picture(content: bytes) -> str | None:
    """A PNG as the address of an image, of a large one as JPEG; None if it is none."""
    if not content.startswith(_PNG):
        return None
    if len(content) < _LARGE:
        return _address("image/png", content)
    made = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.thumbnail((_WIDEST, picture.height))
            picture.convert("RGB").save(made, "JPEG", quality=80, optimize=True)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # it is broken, or is no picture
        return None
    return _address("image/jpeg", made.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
