"""States of strategies as bytes: JSON, with the arrays beside it. Reading them executes no code."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from rl_nas.array_files import read_arrays
from rl_nas.checkpoint import State

_ARRAY = "$array"
_DOCUMENT = "state.json"


def pack(state: State) -> bytes:
    """Packs a state into bytes: a NumPy archive of its arrays and a JSON text."""
    arrays: dict[str, np.ndarray] = {}

    def flat(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: flat(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [flat(part) for part in value]
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            name = f"{len(arrays)}"
            arrays[name] = value
            return {_ARRAY: name}
        return value

    text = json.dumps(flat(state))
    content = io.BytesIO()
    np.savez(content, **arrays, **{_DOCUMENT: np.frombuffer(text.encode(), np.uint8)})  # type: ignore[arg-type]
    return content.getvalue()


def unpack(content: bytes, most: int | None = None) -> State:
    """The state that was packed; tuples have become lists.

    Args:
        content: the bytes.
        most: bytes that they may be when they are decompressed; None: as many as they are, as `pack` leaves them.

    Raises:
        ValueError: the bytes are not a packed state.
    """
    try:
        arrays = read_arrays(content, most)
        return dict(_whole(json.loads(arrays.pop(_DOCUMENT).tobytes()), arrays))
    except (KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"not a state of a strategy ({type(error).__name__}: {error})") from error


def _whole(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """A value with its arrays in their places."""
    if isinstance(value, dict):
        return arrays[value[_ARRAY]] if _ARRAY in value else {key: _whole(part, arrays) for key, part in value.items()}
    return [_whole(part, arrays) for part in value] if isinstance(value, list) else value
