"""The way from the values of masks to class numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.tasks.name_lists import IGNORED, read_lines
from rl_nas.tasks.segmentation.class_list import ClassList, read_classes
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.masks import COLOR, IGNORE, MAX_CLASSES, UNKNOWN, value_name

MASK_VALUES = "mask_values.txt"
"""File that goes with an exported network: what the values of masks mean, as --label_map."""

_VALUES = 2**16
_VALUE = re.compile(r"#(?P<hex>[0-9a-fA-F]{6})|(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?")


@dataclass(frozen=True)
class LabelMap:
    """What the values of masks mean.

    Attributes:
        names: one for each class.
        meaning: value of a mask (see `decode_mask`) -> class number, or IGNORE.
    """

    names: tuple[str, ...]
    meaning: Mapping[int, int]

    @property
    def colors(self) -> dict[int, int]:
        """Class number -> its color 0xRRGGBB, the first one if there are several, of the classes that have one."""
        listed = {label: value - COLOR for value, label in reversed(list(self.meaning.items())) if value >= COLOR}
        return {number: color for number, color in listed.items() if number != IGNORE}

    def ignoring(self, ignore_label: str) -> LabelMap:
        """The same meaning with further values that are ignored; `none`: none are, those of this map neither.

        Args:
            ignore_label: the flag.
        """
        ignored = _ignored(ignore_label)
        kept = {value: label for value, label in self.meaning.items() if ignored or label != IGNORE}
        return LabelMap(self.names, {**kept, **dict.fromkeys(ignored, IGNORE)})

    def numbered_as(self, names: tuple[str, ...], where: str) -> LabelMap:
        """The same meaning with the numbers that the classes have in another list.

        Args:
            names: of that list.
            where: the names of this map come from, for errors.

        Raises:
            UsageError: the lists have different names.
        """
        missing = next((name for name in names if name not in self.names), None)
        further = next((name for name in self.names if name not in names), None)
        if missing is not None or further is not None or len(names) != len(self.names):
            differing = f"class {further!r}, which" if missing is None else f"no class {missing!r}, which"
            verb = "has not" if missing is None else "has"
            raise UsageError(
                f"{where}: {differing} the network {verb}; expected the names of its classes, in any order"
            )
        number = {IGNORE: IGNORE, **{own: names.index(name) for own, name in enumerate(self.names)}}
        return LabelMap(names, {value: number[label] for value, label in self.meaning.items()})

    @cached_property
    def table(self) -> np.ndarray:
        """Class number, IGNORE or UNKNOWN of every sample of up to 16 bits: uint8 [65536]."""
        table = np.full(_VALUES, UNKNOWN, np.uint8)
        for value, label in self.meaning.items():
            if value < COLOR:
                table[value] = label
        return table

    def classes_of(self, values: np.ndarray, name: str) -> np.ndarray:
        """The class numbers of a mask.

        Args:
            values: of `decode_mask`, integers [height, width].
            name: of the file, for errors.

        Returns:
            uint8 [height, width], IGNORE among them.

        Raises:
            UsageError: a value has no meaning.
        """
        labels = self._of_colors(values) if values.dtype == np.int32 else self.table.take(values)
        unknown = labels == UNKNOWN
        if unknown.any():
            raise UsageError(self._explanation(int(values[unknown][0]), name))
        return labels

    def _of_colors(self, values: np.ndarray) -> np.ndarray:
        colors = np.array(sorted(value for value in self.meaning if value >= COLOR), np.int32)
        if not len(colors):
            return np.full(values.shape, UNKNOWN, np.uint8)
        labels = np.array([self.meaning[int(color)] for color in colors], np.uint8)
        place = np.minimum(np.searchsorted(colors, values), len(colors) - 1)
        return np.where(colors[place] == values, labels[place], np.uint8(UNKNOWN))

    def _explanation(self, value: int, name: str) -> str:
        """What is wrong with a value that has no meaning, and what to do."""
        colors = sum(key >= COLOR for key in self.meaning)
        if value >= COLOR:
            expected = f"one of the {colors} colors that are listed" if colors else "values, as no colors are listed"
            fix = "list it by a line NAME R G B in the file --classes, or ignore R G B"
            return f"mask {name} has color {value_name(value)}; expected {expected}: {fix}"
        learned = _ranges(key for key, label in self.meaning.items() if key < COLOR and label != IGNORE)
        ignored = _ranges(key for key, label in self.meaning.items() if key < COLOR and label == IGNORE)
        expected = learned + (f", or {ignored} to be ignored" if ignored else "")
        return (
            f"mask {name} has value {value}; expected {expected}: give the number of --classes, the values of"
            " --ignore_label, or a --label_map"
        )


def make_label_map(settings: MaskSettings, classes: ClassList | None = None) -> LabelMap:
    """The meaning of values by the flags.

    Without `label_map`, the classes are the values 0, 1, 2 and so on, without those that are ignored: value 0 is the
    first class, such as the background of PASCAL VOC, unless it is ignored. Names that belong to values stay with them;
    lists have names of the classes alone. Colors mean what the list of classes says.
    With it, nothing but what it lists and what is ignored has a meaning.

    Args:
        settings: the flags.
        classes: those of the data set; `--classes` wins.

    Raises:
        UsageError: a file is malformed, flags contradict each other, or nothing tells the classes.
    """
    if settings.classes is not None:
        classes = read_classes(settings.classes)
    given = settings.ignore_label
    ignored = _ignored("255" if given is None else given)
    if settings.label_map is not None:
        return _read_label_map(settings.label_map, classes, ignored, certain=given is not None)
    if classes is None:
        raise UsageError(
            "masks do not tell how many classes there are; give --classes=N, or a file with a name in each line"
        )
    classes = classes.without(ignored)
    values = islice((value for value in count() if value not in ignored), len(classes.names))
    meaning = {value: number for number, value in enumerate(values)}
    clash = next((value for value in ignored if classes.colors.get(value, IGNORE) != IGNORE), None)
    if clash is not None:
        raise UsageError(f"--ignore_label={given}: {value_name(clash)} is the color of a class; leave out one of both")
    return LabelMap(classes.names, {**meaning, **classes.colors, **dict.fromkeys(ignored, IGNORE)})


def label_map_text(labels: LabelMap) -> str:
    """The content of a file for --label_map that has the same meaning."""
    names = {IGNORE: IGNORED, **dict(enumerate(labels.names))}
    return "".join(f"{value_name(value)} {names[label]}\n" for value, label in sorted(labels.meaning.items()))


def parse_label_map(text: str, names: Sequence[str], where: str) -> LabelMap:
    """The meaning of values by the content of such a file.

    Args:
        text: the content.
        names: one for each class.
        where: the file's name, for errors.

    Raises:
        UsageError: it is malformed, or lacks a class.
    """
    return _parsed([line for line in text.split("\n") if line.strip()], where, ClassList(tuple(names)), [])


def _ignored(text: str) -> list[int]:
    if text.strip() in ("", "none"):
        return []
    return [value for word in text.split(",") for value in _values(word.strip(), f"--ignore_label={text}")]


def _read_label_map(path: str, classes: ClassList | None, ignored: list[int], certain: bool) -> LabelMap:
    """Reads lines VALUE CLASS; `certain` if the ignored values were given, and are no default."""
    return _parsed(read_lines(path, "--label_map"), f"--label_map={path}", classes, ignored, certain)


def _parsed(
    lines: Iterable[str], where: str, classes: ClassList | None, ignored: list[int], certain: bool = False
) -> LabelMap:
    entries = [line.split(maxsplit=1) for line in lines]
    short = next((entry for entry in entries if len(entry) < 2), None)
    if short is not None:
        raise UsageError(
            f"{where}: line {short[0]!r} has no class; expected VALUE CLASS, such as 7 road or 0-6 {IGNORED}"
        )
    names = _names_of([name for _, name in entries], where) if classes is None else classes.names
    meaning: dict[int, int] = {}
    for text, name in entries:
        label = _label(name, names, where)
        for value in _values(text, where):
            if value in meaning:
                raise UsageError(f"{where} lists value {value_name(value)} twice; expected one class for each value")
            meaning[value] = label
    for value in ignored:
        if certain and meaning.get(value, IGNORE) != IGNORE:
            raise UsageError(
                f"{where} has a class for value {value_name(value)}, which --ignore_label ignores; leave out one"
            )
        meaning.setdefault(value, IGNORE)
    missing = [name for number, name in enumerate(names) if number not in meaning.values()]
    if missing:
        raise UsageError(f"{where} has no value for class {missing[0]!r}; expected one for each of the classes")
    return LabelMap(names, meaning)


def _names_of(listed: list[str], where: str) -> tuple[str, ...]:
    """The classes of a label map that stands alone, in the order in which they are first named."""
    names = tuple(name for name in dict.fromkeys(listed) if name != IGNORED)
    number = next((name for name in names if name.isdecimal()), None)
    if number is not None:
        raise UsageError(f"{where} has class number {number}, and there are no names; give --classes too")
    if not 2 <= len(names) <= MAX_CLASSES:
        raise UsageError(f"{where}: {len(names)} classes; expected 2 to {MAX_CLASSES}")
    return names


def _label(name: str, names: tuple[str, ...], where: str) -> int:
    if name == IGNORED:
        return IGNORE
    if name in names:
        return names.index(name)
    if name.isdecimal() and len(name) < 10 and int(name) < len(names):
        return int(name)
    raise UsageError(
        f"{where}: no class {name!r}; expected a name of --classes, a number below {len(names)} or {IGNORED}"
    )


def _values(text: str, where: str) -> list[int]:
    """The values that a word stands for: `7`, `0-6` or `#rrggbb`."""
    match = _VALUE.fullmatch(text)
    if match and match["hex"]:
        return [COLOR + int(match["hex"], 16)]
    first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (1, 0)
    if not first <= last < _VALUES:
        raise UsageError(f"{where}: {text!r} is no value; expected 0 to {_VALUES - 1}, a range such as 0-6, or #rrggbb")
    return list(range(first, last + 1))


def _ranges(values: Iterable[int]) -> str:
    """Numbers in words: `0 to 10, 255`."""
    known = set(values)
    starts = sorted(value for value in known if value - 1 not in known)
    ends = sorted(value for value in known if value + 1 not in known)
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
