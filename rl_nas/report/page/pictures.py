"""Pictures of the page, as data that a browser shows as images: nothing in them is executed."""

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from rl_nas.report.picture import genotype_svg
from rl_nas.spaces.decisions import Genotype

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGE = 300_000
"""Bytes from which a photograph is compressed with losses."""
_WIDEST = 1800
"""Pixels of one that is."""


@dataclass(frozen=True)
class _Drawn:
    """A genotype that is known by its document: the genotypes of strangers' families need have no hash."""

    document: str
    genotype: Genotype = field(compare=False)


def genotype_drawing(genotype: Genotype) -> str:
    """A genotype, of any family, as an SVG without what no reader sees."""
    return _drawing(_Drawn(json.dumps([genotype.KIND, genotype.document()]), genotype))


@lru_cache(maxsize=256)  # a page that follows a search draws its networks again and again
def _drawing(drawn: _Drawn) -> str:
    svg = genotype_svg(drawn.genotype)
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' d="([^"]*)"', lambda found: f' d="{_joined(_rounded(found[1]))}"', svg)
    svg = re.sub(r"translate\([^)]*\)", lambda found: _rounded(found[0]), svg)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    return re.sub(r">\s+<", "><", svg)


def svg_picture(drawing: str) -> str:
    """An SVG as the address of an image, which is in the address itself."""
    return _address("image/svg+xml", drawing.encode())


def shared_tags(drawings: Mapping[str, str]) -> dict[str, Any]:
    """Drawings by the tags that they are made of: most of these, such as letters, are in many of them.

    Returns:
        `tags`, each once, with what follows it; `drawings`, the places of theirs by name, int [tags of the drawing].
    """
    places: dict[str, int] = {}
    made = {
        name: np.array([places.setdefault(tag, len(places)) for tag in re.findall(r"<[^<]*", drawing)], np.int32)
        for name, drawing in drawings.items()
    }
    return {"tags": list(places), "drawings": made}


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


def _rounded(text: str) -> str:
    """A text with its fractions rounded to tenths, of a point."""
    return re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)


def _joined(steps: str) -> str:
    """The steps of a path without the space around their letters."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", steps).strip()
