"""Documents for the browser: JSON with arrays of numbers as bytes, compressed by gzip, as base64.

20,000 trials take several megabytes as text, and text takes the browser longer than bytes.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_MARK = "$array"
_HEAD = 4
"""Bytes of the length of the JSON text, which comes first; the arrays come after it."""


def packed(document: Mapping[str, Any]) -> str:
    """A document of JSON values and arrays, as base64, which no text can break out of.

    An array is a JSON object in it: its kind as NumPy names it, where its bytes begin, and its shape. Bytes of equal
    significance stand together, which compresses better, and equal arrays are stored once.
    """
    starts: dict[bytes, int] = {}
    size = 0

    def placed(value: Any) -> dict[str, Any]:
        nonlocal size
        array = np.ascontiguousarray(value)
        content = array.reshape(-1).view(np.uint8).reshape(array.size, array.itemsize).T.tobytes()
        if content not in starts:
            starts[content] = size
            size += len(content)
        return {_MARK: array.dtype.name, "start": starts[content], "shape": list(array.shape)}

    text = json.dumps(document, separators=(",", ":"), allow_nan=False, default=placed).encode()
    whole = len(text).to_bytes(_HEAD, "little") + text + b"".join(starts)
    return packed_bytes(whole)


def packed_bytes(content: bytes) -> str:
    """Bytes as the browser unpacks them."""
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()


def unpacked(text: str) -> Any:
    """The document of a packed one, with NumPy arrays."""
    whole = unpacked_bytes(text)
    end = _HEAD + int.from_bytes(whole[:_HEAD], "little")

    def restored(found: dict[str, Any]) -> Any:
        if _MARK not in found:
            return found
        kind = np.dtype(found[_MARK])
        count = int(np.prod(found["shape"]))
        places = np.frombuffer(whole, np.uint8, count * kind.itemsize, end + found["start"])
        return places.reshape(kind.itemsize, count).T.copy().view(kind).reshape(found["shape"])

    return json.loads(whole[_HEAD:end], object_hook=restored)


def unpacked_bytes(text: str) -> bytes:
    """The bytes of packed ones."""
    return gzip.decompress(base64.b64decode(text))
