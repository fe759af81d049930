"""Pictures of the page, as data that a browser shows as images: nothing in them is executed."""

import base64
import io

import matplotlib as mpl
from PIL import Image

from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import Diagram
from rl_nas.report.cell_picture import cells_figure
from rl_nas.report.graph_picture import graph_figure
from rl_nas.spaces.decisions import Genotype

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGE = 300_000
"""Bytes from which a photograph is compressed with losses."""
_WIDEST = 1800
"""Pixels of one that is."""


def genotype_picture(genotype: Genotype) -> str:
    """A genotype, of any family, as the address of an SVG image, which is in the address itself."""
    drawing = family_of(genotype).drawing(genotype)
    figure = graph_figure(drawing) if isinstance(drawing, Diagram) else cells_figure(drawing)
    drawn = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "rl_nas"}):  # the same picture each time
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _address("image/svg+xml", drawn.getvalue())


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
