"""absl flags made from settings groups, and read back into them: the only module that knows absl.flags.

Every verb has its own flags, so that its help shows only those.
"""

import os
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from absl import flags

from rl_nas.errors import UsageError
from rl_nas.regular_files import MIB, read_regular_text
from rl_nas.renamed import BEFORE, FLAGS, REMOVED, REPEATS, REUSED, SWITCHES, current_value, tell, tell_removed
from rl_nas.settings import FieldType, Settings, declaration, expectation, field_types, setting

Group = TypeVar("Group", bound=Settings)

_COMMENT = re.compile(r"\s#.*")
"""Behind a flag."""
_FLAGFILE, _RECIPE = ("--flagfile", "-flagfile"), ".cfg"
_MOST_FLAGFILES, _MOST_BYTES = 20, MIB


@dataclass(frozen=True)
class OutputSettings(Settings):
    """Flags of every verb."""

    title: ClassVar[str] = "Output"

    json: bool = setting(False, "print the result as JSON on standard output")
    debug: bool = setting(False, "show a traceback with an error, and TensorFlow's own log")


@dataclass(frozen=True)
class Command:
    """The flags of a verb or of a script.

    Attributes:
        name: as it is typed, such as `rl_nas search`.
        summary: what it does, a sentence or more.
        examples: command lines for the help text.
        groups: its settings groups; `OutputSettings` comes with every verb.
        words: meaning of words without dashes; empty if none are allowed.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    groups: tuple[type[Settings], ...]
    words: str = ""

    @property
    def all_groups(self) -> tuple[type[Settings], ...]:
        """The verb's groups and the common one."""
        return (*self.groups, OutputSettings)


@dataclass(frozen=True)
class Parsed:
    """A parsed command line.

    Attributes:
        values: flag name -> value, defaults included.
        given: names of the flags on the command line or in a flagfile.
        words: those without dashes.
        typed: names of the flags on the command line itself.
    """

    values: dict[str, Any]
    given: frozenset[str]
    words: tuple[str, ...] = ()
    typed: frozenset[str] = frozenset()

    def group(self, cls: type[Group]) -> Group:
        """The settings group of a class, checked."""
        return cls.from_flags(self.values)


def parse(command: Command, argv: Sequence[str]) -> Parsed:
    """Reads a command line; its flags win over those of its `--flagfile`s, wherever these are.

    Earlier names of flags are understood; the present ones are printed.

    Raises:
        UsageError: an unknown flag, a value out of range, a flagfile that cannot be read, a stray word.
    """
    values, typed = _define(command), _define(command)
    try:
        of_files, others = _apart(argv)
        rest = values([command.name, *_without_reused([*of_files, *others], values)])[1:]
        typed([command.name, *_without_reused(others, typed)])
    except flags.Error as error:
        raise UsageError(_with_present_names(str(error).replace("\n", " ").removeprefix("flag "))) from error
    if rest and not command.words:
        raise UsageError(f"unexpected word {rest[0]!r}; flags look like --name=value")
    for old, new in FLAGS.items():
        if old in values and values[old].present:
            tell(old, new)
    names = [cls.prefix + name for cls in command.all_groups for name in field_types(cls)]
    return Parsed(
        values={name: values[name].value for name in names},
        given=frozenset(name for name in names if values[name].present),
        words=tuple(rest),
        typed=frozenset(name for name in names if typed[name].present),
    )


def _without_reused(words: Sequence[str], known: Container[str]) -> list[str]:
    """The words of a command line with earlier flags whose names others have today by their present names.

    Args:
        words: with the content of flagfiles in their places.
        known: names of the command's flags.
    """
    current: list[str] = []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        flag, given, _ = word.lstrip("-").partition("=")
        if word.startswith("-") and not given and flag in SWITCHES and following not in SWITCHES.values():
            current.append(f"--{flag.removeprefix('no')}={SWITCHES[flag]}")
            tell(flag, current[-1].removeprefix("--"))
            continue
        if word.startswith("-") and given and flag in REMOVED:
            tell_removed(flag)
            continue
        joined = word
        if current and re.fullmatch(f"--?({'|'.join(REUSED)})", current[-1]):
            joined = f"{current.pop()}={word}"  # the value of --name value
        name, _, value = joined.partition("=")
        new, values = REUSED.get(name.lstrip("-"), ("", ()))
        if name.startswith("-") and new in known and value in values:
            joined = f"--{new}={value}"
            tell(f"{name.lstrip('-')}={value}", f"{new}={value}")
        current.append(joined)
    return current


def _with_present_names(message: str) -> str:
    """The message with suggested flags by their present names."""
    for old, new in FLAGS.items():
        message = re.sub(rf"(Did you mean: ){old}\b", rf"\g<1>{new}", message)
    return message


def _current(name: str, value: str) -> str:
    """The present form of a flag's value; prints it if it is another."""
    current: str = current_value(name, value)
    if current != value:
        tell(f"{name}={value}", f"{name}={current}")
    return current


def flag_words(flags: Mapping[str, Any]) -> list[str]:
    """The words of a command line with these flags; one whose value is a list is given several times."""
    words = []
    for name, value in flags.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None:
                words.append(f"--{name}={_spell(one)}")
    return words


def help_text(command: Command) -> str:
    """The verb's help: summary, examples, flags by group with defaults and bounds."""
    lines = [f"{command.name}: {command.summary}", "", "Examples:"]
    lines += [f"  {example}" for example in command.examples]
    if command.words:
        lines += ["", "Words:", f"  {command.words}"]
    for cls in command.all_groups:
        lines += ["", f"{cls.title}:"]
        for name, kind in field_types(cls).items():
            lines += _flag_help(cls, name, kind)
    lines += ["", "Everywhere:"]
    lines += ["  --flagfile=FILE", f"{_INDENT}read flags from a file; the command line wins over it", "  --help"]
    return "\n".join(lines)


def flagfile_text(values: dict[str, Any], comment: str) -> str:
    """A flagfile that gives these values again."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f"--{name}={_spell(value)}" for name, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


_INDENT = " " * 6


def _flag_help(cls: type[Settings], name: str, kind: FieldType) -> list[str]:
    field = declaration(cls, name)
    if field.metadata["choices"]:
        value = "|".join(field.metadata["choices"])
    else:
        value = {int: "N", float: "X", str: "TEXT", bool: ""}[kind.type]
    flag = f"--[no]{cls.prefix}{name}" if kind.type is bool else f"--{cls.prefix}{name}={value}"
    default = "" if field.default is None else f" (default: {_spell(field.default)})"
    return [f"  {flag}", f"{_INDENT}{field.metadata['help']}{default}"]


def _spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _SettingParser(flags.ArgumentParser[Any]):
    """Parses one setting and checks it as its group does."""

    def __init__(self, cls: type[Settings], name: str, kind: FieldType) -> None:
        super().__init__()
        self._cls, self._name, self._kind = cls, name, kind

    def parse(self, argument: Any) -> Any:
        value: Any = argument
        if isinstance(argument, str):
            argument = _current(self._cls.prefix + self._name, argument)
            if argument == "~" or argument.startswith("~/"):  # behind `--name=` shells leave it
                argument = os.path.expanduser(argument)
            try:
                value = self._kind.type(argument)
            except ValueError:
                value = None
        problem = expectation(self._cls, self._name, value)
        if problem:
            raise ValueError(f"expected {problem}")
        return value


def _define(command: Command) -> flags.FlagValues:
    values = flags.FlagValues()
    for cls in command.all_groups:
        for name, kind in field_types(cls).items():
            field = declaration(cls, name)
            flag, default, text = cls.prefix + name, field.default, field.metadata["help"]
            if flag in values:  # of several tasks, each of which reads it in its own way
                continue
            if kind.type is bool:
                flags.DEFINE_boolean(flag, default, text, flag_values=values)
            else:
                flags.DEFINE(_SettingParser(cls, name, kind), flag, default, text, flag_values=values)
    for old, new in FLAGS.items():
        if new in values:
            flags.DEFINE_alias(old, new, flag_values=values)
    return values


def _apart(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The flags in flagfiles, and the others, which come behind them and so win."""
    flags, others, words, read = list[str](), list[str](), iter(argv), list[str]()
    for word in words:
        name, _, value = word.partition("=")
        if name in _FLAGFILE:
            flags += _flags_in(value or next(words, ""), read)
        else:
            others.append(word)
    return flags, others


def _flags_in(name: str, read: list[str]) -> list[str]:
    """The flags in a flagfile, and in those that it names.

    Args:
        name: of the file.
        read: names of the files so far; this one is added.

    Raises:
        UsageError: it is no text file of a usual size, or one of too many files: some may name each other.
    """
    flags, path = list[str](), Path(_find_flagfile(os.path.expanduser(name)))
    read.append(name)
    if len(read) > _MOST_FLAGFILES:
        raise UsageError(f"--flagfile={read[0]} names more than {_MOST_FLAGFILES} other flagfiles; expected fewer")
    try:
        lines = read_regular_text(path, _MOST_BYTES).removeprefix("\ufeff").split("\n")  # a byte order mark
    except OSError as error:
        raise UsageError(f"--flagfile={name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--flagfile={name} is not a text file: {error}") from error
    if lines[0].startswith(f"# {REPEATS}"):
        flags += [f"--{flag}={value}" for flag, value in BEFORE.items()]  # its own flags follow, and win
    else:
        lines = [_COMMENT.sub("", line) for line in lines]  # no values of runs, which may hold such
    for line in map(str.strip, lines):
        first, _, value = line.partition("=")
        if first in _FLAGFILE:
            flags += _flags_in(value.strip(), read)
        elif line and not line.startswith(("#", "//")):
            flags.append(line)
    return flags


def packaged_recipe(name: str) -> str | None:
    """The path of a recipe that comes with rl_nas, for `NAME.cfg`, `NAME` and these in `flags/`.

    None if there is no such recipe, or a file of the user's has the name.
    """
    for path in map(Path, _spellings(name)):
        packaged = resources.files("rl_nas.flags") / path.name
        if path.is_file():
            return None
        if path.parent in (Path(), Path("flags")) and path.suffix == _RECIPE and packaged.is_file():
            return str(packaged)
    return None


def _spellings(name: str) -> tuple[str, ...]:
    """The names of the files that a flagfile's name may stand for."""
    return (name,) if name.endswith(_RECIPE) else (name, name + _RECIPE)


def _find_flagfile(name: str) -> str:
    """The file, if it exists, or the recipe of that name that comes with rl_nas."""
    found = packaged_recipe(name) or next((one for one in _spellings(name) if Path(one).is_file()), None)
    if found is None:
        recipes = sorted(f.name for f in resources.files("rl_nas.flags").iterdir() if f.name.endswith(_RECIPE))
        raise UsageError(f"--flagfile={name}: no such file; recipes that come with rl_nas: {', '.join(recipes)}")
    return found
