"""Lists of classes: a number, or a file of names and colors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rl_nas.errors import UsageError
from rl_nas.tasks.name_lists import IGNORED, read_lines
from rl_nas.tasks.segmentation.masks import COLOR, IGNORE, MAX_CLASSES, value_name

_COLORED = re.compile(r"(?P<name>.*\S)\s+(?:#(?P<hex>[0-9a-fA-F]{6})|(?P<rgb>\d{1,9}\s+\d{1,9}\s+\d{1,9}))")


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set.

    Attributes:
        names: one for each class, from number 0.
        colors: value of a color (see `decode_mask`) -> class number or IGNORE; empty: masks are not colored.
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

    A line may end in a color, `R G B` or `#rrggbb`; then all lines do. Lines named `ignore` give further colors, of
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
            raise UsageError(f"{where} has a line {IGNORED} without a color; give the value with --ignore_label")
        return ClassList(_checked(lines, where))
    if not all(found):
        bare = lines[found.index(None)]
        raise UsageError(f"{where}: line {bare!r} has no color and others have; expected NAME R G B or NAME #rrggbb")
    pairs = [(match["name"], _color(match, where)) for match in found if match]
    names = _checked([name for name, _ in pairs if name != IGNORED], where)
    colors: dict[int, int] = {}
    for name, color in pairs:
        if color in colors:
            raise UsageError(f"{where} gives color {value_name(color)} twice; expected one class for each color")
        colors[color] = IGNORE if name == IGNORED else names.index(name)
    return ClassList(names, colors)


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
        raise UsageError(f"{where}: color {match['rgb']} of {match['name']!r}; expected numbers from 0 to 255")
    return COLOR + (red << 16) + (green << 8) + blue
