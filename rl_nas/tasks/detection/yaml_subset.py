"""The part of YAML that the data.yaml of YOLO's data sets is written in.

Top-level keys with scalars, lists and maps of scalars, in lines or in brackets. Tags, anchors and references, by which
YAML can build objects or grow without end, are refused; nothing is executed, and keys that nobody asks for are skipped.
"""

import json
import re
from collections.abc import Collection

from rl_nas.errors import UsageError

Value = str | list[str] | dict[str, str]

_KEY = re.compile(r"""(?P<key>"[^"]*"\s*|'[^']*'\s*|[^\s:#'"\[\]{},&*!|>-][^:#]*):(?:\s+(?P<value>.*))?$""")
_PART = re.compile(r"""(?:(?<!\w)"[^"]*"|(?<!\w)'[^']*'|[^,])+""")
_BRACKETS = {"[": "]", "{": "}"}
_REFUSED = ("&", "*", "!", "|", ">", "%", "@", "`")
_MARKS = ("---", "...")
_LONGEST = 1 << 17
"""Characters of a line; the classes of the largest public data sets take a tenth of it."""

_Line = tuple[int, str]
"""Number and content of a line."""


def parse_yaml(text: str, wanted: Collection[str], where: str) -> dict[str, Value]:
    """Some of the top-level keys of a text, with their values: texts, lists of texts, or maps of texts.

    Args:
        text: of the file.
        wanted: the keys.
        where: the text comes from, for errors.

    Raises:
        UsageError: a key is there twice, or is not in this part of YAML, or a line is too long.
    """
    found: dict[str, Value] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LONGEST:
            raise UsageError(f"{where}: line {number} has {len(line)} characters; expected at most {_LONGEST}")
    lines = [(number, _without_comment(line).rstrip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and line not in _MARKS]
    place = 0
    while place < len(lines):
        number, line = lines[place]
        place += 1
        match = _KEY.match(line)
        if match is None:
            raise _problem(where, (number, line))
        key, parts = _scalar((number, match["key"].rstrip()), where), [(match["value"] or "").strip()]
        open_brackets = _open_brackets(parts[0]) if key in wanted and parts[0][:1] in _BRACKETS else 0
        while place < len(lines) and open_brackets > 0:
            parts.append(lines[place][1].strip())
            open_brackets += _open_brackets(parts[-1])
            place += 1
        start, value = place, " ".join(parts)
        while place < len(lines) and (lines[place][1][0].isspace() or lines[place][1].startswith("-")):
            place += 1
        block = lines[start:place]
        if key in wanted:
            if key in found or (value and block):
                raise _problem(where, (number, line) if key in found else block[0])
            found[key] = _inline((number, value), where) if value else _block(block, where)
    return found


def _without_comment(line: str) -> str:
    quote = ""
    for place, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and (not place or line[place - 1] in " [{,:"):  # not the apostrophe of a word
            quote = sign
        elif sign == "#" and (not place or line[place - 1].isspace()):
            return line[:place]
    return line


def _open_brackets(text: str) -> int:
    """How many more brackets a line opens than it closes."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    return sum(bare.count(sign) for sign in "[{") - sum(bare.count(sign) for sign in "]}")


def _inline(line: _Line, where: str) -> Value:
    """A scalar, or a list or map of scalars in brackets."""
    number, text = line
    closing = _BRACKETS.get(text[0])
    if closing is None:
        return _scalar(line, where)
    if text[-1] != closing:
        raise _problem(where, line)
    parts = [part.strip() for part in _PART.findall(text[1:-1])]
    kept = [(number, part) for part in parts if part]
    return [_scalar(part, where) for part in kept] if closing == "]" else _map(kept, where)


def _block(lines: list[_Line], where: str) -> Value:
    """A list or a map of scalars in lines; an empty text if there are none."""
    bare = [(number, line.strip()) for number, line in lines]
    if bare and all(line.startswith("- ") for _, line in bare):
        return [_scalar((number, line[2:].strip()), where) for number, line in bare]
    return _map(bare, where) if bare else ""


def _map(lines: list[_Line], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in lines:
        match = _KEY.match(line)
        if match is None or (key := _scalar((number, match["key"].rstrip()), where)) in found:
            raise _problem(where, (number, line))
        found[key] = _scalar((number, (match["value"] or "").strip()), where)
    return found


def _scalar(line: _Line, where: str) -> str:
    """A text without its quotes."""
    _, text = line
    if text[:1] in _REFUSED or text[:1] in _BRACKETS:
        raise _problem(where, line)
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError as error:
            raise _problem(where, line) from error
    return text


def _problem(where: str, line: _Line) -> UsageError:
    number, text = line
    return UsageError(
        f"{where}: line {number} has {text.strip()[:60]!r}; expected keys, each once, with texts, or lists or maps of"
        " texts, without tags and references"
    )
