"""Pictures of genotypes of every kind."""

import io
import os
import uuid
from pathlib import Path
from typing import IO, Any

import matplotlib

from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import Diagram
from rl_nas.report.cell_picture import cells_figure
from rl_nas.report.figure_style import own_style
from rl_nas.report.graph_picture import graph_figure
from rl_nas.spaces.decisions import Genotype

DPI = 150


def draw_genotype(genotype: Genotype, path: str | os.PathLike[str], *, title: str = "") -> None:
    """Writes a PNG of a genotype: cells side by side, or the graph of other kinds.

    The size follows the genotype; cells take from about 6 x 4 inches for one block to 28 x 15 for eight,
    at 150 dots per inch. The file is written atomically.

    Args:
        genotype: to be drawn.
        path: the file; an earlier one is replaced.
        title: a heading.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        _draw(genotype, title, draft, format="png", dpi=DPI)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def genotype_png(genotype: Genotype, title: str = "", dpi: int = DPI) -> bytes:
    """A genotype as the content of a PNG file; see `draw_genotype`."""
    png = io.BytesIO()
    _draw(genotype, title, png, format="png", dpi=dpi)
    return png.getvalue()


def genotype_svg(genotype: Genotype, title: str = "") -> str:
    """A genotype as an SVG document, the same for equal genotypes and titles; see `draw_genotype`."""
    svg = io.StringIO()
    _draw(genotype, title, svg, format="svg", metadata={"Date": None})
    return svg.getvalue()


def _draw(genotype: Genotype, title: str, target: Path | IO[Any], **options: Any) -> None:
    """Draws a genotype of any kind into a file, with the options of `Figure.savefig`, whatever style the user has."""
    drawing = family_of(genotype).drawing(genotype)
    with own_style(), matplotlib.rc_context({"svg.hashsalt": "rl_nas", "svg.fonttype": "path"}):
        figure = graph_figure(drawing, title) if isinstance(drawing, Diagram) else cells_figure(drawing, title)
        figure.savefig(target, **options)
