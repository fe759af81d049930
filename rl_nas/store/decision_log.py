"""The probability of each choice of each decision over a search: a JSON line for an update, at most 512 lines."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rl_nas.errors import UsageError
from rl_nas.store.files import open_to_append, storage_errors, write_text
from rl_nas.store.json_files import parse_json, read_text, whole_lines

_MOST = 512
_DIGITS = 4
_FORM = {"update": int, "probabilities": [[float]]}
_HINT = "delete the file, which only pictures need"


class DecisionProbabilities(NamedTuple):
    """The policy after an update.

    Attributes:
        update: its number, from 0.
        probabilities: one list for each decision of the space, with a number for each of its choices; all 0 where the
            decision has no effect.
    """

    update: int
    probabilities: list[list[float]]


class DecisionLog:
    """Appends lines; when they are too many, every second one is dropped, and every second update is written then.

    Args:
        path: of the file; a last line that was cut off is dropped.

    Raises:
        UsageError: the file is broken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = read_decision_log(path) if path.exists() else []
        self._every = math.gcd(*(line.update for line in self._kept)) or 1
        if path.exists():
            self._write()

    def wants(self, update: int) -> bool:
        """Whether an update is to be written: it is new, and not left out."""
        return update % self._every == 0 and not (self._kept and update <= self._kept[-1].update)

    def add(self, update: int, probabilities: Sequence[Sequence[float]]) -> None:
        """Writes an update that is wanted."""
        rounded = [[round(float(value), _DIGITS) for value in values] for values in probabilities]
        line = DecisionProbabilities(update, rounded)
        self._kept.append(line)
        if len(self._kept) > _MOST:
            self._every *= 2
            self._kept = [one for one in self._kept if one.update % self._every == 0]
            self._write()
            return
        with storage_errors(self._path), open_to_append(self._path) as file:
            file.write(_text(line))

    def _write(self) -> None:
        write_text(self._path, "".join(map(_text, self._kept)))


def read_decision_log(path: Path) -> list[DecisionProbabilities]:
    """The lines of a log, of a run that may be at work.

    Raises:
        UsageError: it is broken.
    """
    return parse_decision_log(read_text(path, _HINT), path)


def parse_decision_log(text: str, path: Path) -> list[DecisionProbabilities]:
    """The lines of a log that is read already; see `read_decision_log`."""
    lines = whole_lines(text)
    whole: list[dict[str, Any]] = [parse_json(line, _FORM, path, _HINT) for line in lines[: _MOST + 1]]
    found = [DecisionProbabilities(**one) for one in whole]
    numbers = [value for line in found for values in line.probabilities for value in values]
    updates = [line.update for line in found]
    if len(found) > _MOST or not all(0 <= value <= 1 for value in numbers) or updates != sorted({*updates}):
        raise UsageError(f"{path} holds no probabilities of at most {_MOST} updates in order; {_HINT}")
    return found


def _text(line: DecisionProbabilities) -> str:
    return json.dumps(line._asdict(), separators=(",", ":")) + "\n"
