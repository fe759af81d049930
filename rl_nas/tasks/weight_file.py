"""Weights of classes in a loss, read from a file. No TensorFlow."""

import math
from collections.abc import Sequence
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text

_HINT = "give a file with a line NAME WEIGHT for every class"


def read_weights(path: Path, class_names: Sequence[str]) -> tuple[float, ...]:
    """Weights from a text file with a line `NAME WEIGHT` for every class, in any order; names may hold spaces.

    Raises:
        UsageError: the file cannot be read; a class is unknown, missing or there twice; or a weight is not a finite
            number >= 0, or all are 0.
    """
    found: dict[str, float] = {}
    for line in filter(str.strip, read_text(path, _HINT).split("\n")):
        name, weight = ("", *line.strip().rsplit(maxsplit=1))[-2:]
        if name not in class_names:
            raise UsageError(f"{path}: {line[:60]!r} names no class; expected one of {', '.join(class_names)}; {_HINT}")
        if name in found:
            raise UsageError(f"{path}: class {name!r} is there twice; {_HINT}")
        found[name] = _weight(weight, path, name)
    missing = [name for name in class_names if name not in found]
    if missing:
        raise UsageError(f"{path} has no weight of {', '.join(map(repr, missing))}; {_HINT}")
    if not any(found.values()):
        raise UsageError(f"{path}: all weights are 0; expected some above; {_HINT}")
    return tuple(found[name] for name in class_names)


def _weight(text: str, path: Path, name: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise UsageError(f"{path}: weight {text[:60]!r} of {name!r}; expected a finite number >= 0; {_HINT}")
    return weight
