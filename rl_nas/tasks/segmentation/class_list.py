"""Lists of classes: a number, or a file of names and colours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation.masks import COLOR, IGNORE, MAX_CLASSES, value_name

IGNORED = "ignore"
"""Name, in files, of what is neither learned nor measured."""

_COMMENT = re.compile(r"#(\s|$)")
_COLORED = re.compile(r"(?P<name>.*\S)\s+(?:#(?P<hex>[0-9a-fA-F]{6})|(?P<rgb>\d{1,9}\s+\d{1,9}\s+\d{1,9}))")


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set.

    Attributes:
        names: one for each class, from number 0.
        colors: value of a colour (see `decode_mask`) -> class number or IGNORE; empty: masks are not coloured.
        of_values: whether the names are those of the values 0, 1, 2 and so on, of ignored ones too.
    """

    names: tuple[str, ...]
    colors: Mapping[int, int] = field(default_factory=dict)
    of_values: bool = False

    def without(self, values: Collection[int]) -> ClassList:
        """The classes without those whose values are ignored.

        Raises:
            UsageError: too few or too many are left.
        """
        if not self.of_values:
            return self
        names = tuple(name for value, name in enumerate(self.names) if value not in values)
        _check_count(len(names), "the data set's own names without those that are ignored")
        return replace(self, names=names)


def read_classes(given: str, flag: str = "--classes") -> ClassList:
    """Reads a number of classes, or a file with a name in each line.

    A line may end in a colour, `R G B` or `#rrggbb`; then all lines do. Lines named `ignore` give further colours, of
    pixels that are not learned; they are no classes. Empty lines and those that begin with `# ` are comments.

    Args:
        given: the number, or the path of the file.
        flag: where it comes from, for errors.

    Raises:
        UsageError: the file cannot be read, or is not such a list.
    """
    if given.isdecimal() and len(given) < 10:
        _check_count(int(given), f"{flag}={given}")
        return ClassList(tuple(map(str, range(int(given)))))
    where = f"{flag}={given}"
    lines = read_lines(given, flag)
    found = [_COLORED.fullmatch(line) for line in lines]
    if not any(found):
        if IGNORED in lines:
            raise UsageError(f"{where} has a line {IGNORED} without a colour; give the value with --ignore_label")
        return ClassList(_checked(lines, where))
    if not all(found):
        bare = lines[found.index(None)]
        raise UsageError(f"{where}: line {bare!r} has no colour and others have; expected NAME R G B or NAME #rrggbb")
    pairs = [(match["name"], _color(match, where)) for match in found if match]
    names = _checked([name for name, _ in pairs if name != IGNORED], where)
    colors: dict[int, int] = {}
    for name, color in pairs:
        if color in colors:
            raise UsageError(f"{where} gives colour {value_name(color)} twice; expected one class for each colour")
        colors[color] = IGNORE if name == IGNORED else names.index(name)
    return ClassList(names, colors)


def read_lines(path: str, flag: str) -> list[str]:
    """The lines of a text file without comments; `NAME.txt` and `flags/NAME.txt` may be files of rl_nas's own.

    Raises:
        UsageError: the file cannot be read, or has no line.
    """
    file = Path(path).expanduser()
    packaged = resources.files("rl_nas.flags") / file.name
    try:
        if (
            not file.exists()
            and file.parent in (Path(), Path("flags"))
            and file.suffix == ".txt"
            and packaged.is_file()
        ):
            text = packaged.read_text(encoding="utf-8")
        else:
            text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{flag}={path}: {error.strerror or error}; expected a text file") from error
    except ValueError as error:
        raise UsageError(f"{flag}={path} is not UTF-8 text; expected a line for each entry") from error
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not _COMMENT.match(line)]
    if not kept:
        raise UsageError(f"{flag}={path} has no entries; expected a line for each")
    return kept


def check_names(names: Sequence[str]) -> None:
    """Raises `UsageError` for a name that the files that go with a network could not give back."""
    for name in names:
        if name == IGNORED or name != name.strip() or name.splitlines() != [name] or _COMMENT.match(name):
            raise UsageError(
                f"class name {name!r} cannot be written into a list of classes; expected a line of text, no comment"
                f" and not {IGNORED}, without spaces around it: give names with --classes=FILE"
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two classes have the name {twice!r}; expected different names: give them with --classes=FILE"
        )


def _checked(names: Sequence[str], where: str) -> tuple[str, ...]:
    _check_count(len(names), where)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{where} names class {twice!r} twice; expected different names")
    return tuple(names)


def _check_count(classes: int, where: str) -> None:
    if not 2 <= classes <= MAX_CLASSES:
        raise UsageError(f"{where}: {classes} classes; expected 2 to {MAX_CLASSES}")


def _color(match: re.Match[str], where: str) -> int:
    if match["hex"]:
        return COLOR + int(match["hex"], 16)
    red, green, blue = map(int, match["rgb"].split())
    if max(red, green, blue) > 255:
        raise UsageError(f"{where}: colour {match['rgb']} of {match['name']!r}; expected numbers from 0 to 255")
    return COLOR + (red << 16) + (green << 8) + blue
