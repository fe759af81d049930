"""What `rl_nas search` says, in the words of `rl_nas.fit`: flags as keyword arguments, commands as calls."""

import re
import shlex
from collections.abc import Mapping, Sequence

from rl_nas.commands.search import SEARCH
from rl_nas.settings import field_types

_FLAG = r"--[a-z]\w*(?:=\S*?(?=[.,;:)]*(?:\s|$)))?"
"""One whose value has no spaces; what ends a part of a sentence behind it is not of it."""
_ENDS = r"(?!\w|[./]\w)"
"""Behind a known value, so that --trials=2 is not found in --trials=20."""
_REPORT = re.compile(r"\brl_nas report ('.*'|\S+)$")
_NUMBER = r"-?\d+(?:\.\d+)?"

_TYPES = {cls.prefix + name: kind.type for cls in SEARCH.all_groups for name, kind in field_types(cls).items()}
_ARGUMENTS = {"dataset": "x"}
"""Flags whose arguments have other names."""


class FitWording:
    """Puts a search's lines and errors into the words of the call that started it.

    Args:
        words: the command line of the search, whose values may have spaces.
        arguments: words of it -> the argument that stands for each, where that is not of the flag's name.
    """

    def __init__(self, words: Sequence[str], arguments: Mapping[str, str]) -> None:
        self._arguments = arguments
        known = (re.escape(word) + _ENDS for word in sorted(words, key=len, reverse=True))
        flag = f"(?:{'|'.join([*known, _FLAG])})"
        self._flag = re.compile(flag)
        self._flags = re.compile(rf"(?<![\w/-])(?:rl_nas (?P<verb>\w+) )?(?P<flags>{flag}(?: {flag})*)")

    def of(self, line: str) -> str:
        """The line in these words; other verbs, which have no function here, stay as they are typed."""
        line = _REPORT.sub(lambda found: f"rl_nas.load_run({shlex.split(found[1])[0]!r}).report()", line)
        line = line.replace("Unknown command line flag", "unknown argument")  # absl's
        return self._flags.sub(self._reworded, line)

    def _reworded(self, found: re.Match[str]) -> str:
        """Flags that stand side by side, perhaps behind a verb."""
        flags = self._flag.findall(found["flags"])
        named = [self._argument(flag) for flag in flags]
        if found["verb"] is not None:
            known = f"rl_nas {found['verb']}" == SEARCH.name and None not in named
            return f"rl_nas.fit({', '.join(filter(None, named))})" if known else found[0]
        between = " " if None in named else ", "
        return between.join(name or flag for name, flag in zip(named, flags, strict=True))

    def _argument(self, flag: str) -> str | None:
        """The keyword argument; None: the search has no such flag."""
        if flag in self._arguments:
            return self._arguments[flag]
        name, given, value = flag.removeprefix("--").partition("=")
        if name not in _TYPES and _TYPES.get(name.removeprefix("no")) is bool:
            name, given, value = name.removeprefix("no"), "=", "false"
        if name not in _TYPES:
            return None
        argument = _ARGUMENTS.get(name, name)
        if _TYPES[name] is bool:
            return f"{argument}={value.lower() not in ('false', 'f', 'no', 'n', '0')}"
        return f"{argument}={_spelled(_TYPES[name], value) if given else ''}"


def _spelled(kind: type, value: str) -> str:
    """The value as Python writes it; one that only stands for a number, such as MORE, as it is."""
    return value if kind is not str or re.fullmatch(_NUMBER, value) else repr(value)
