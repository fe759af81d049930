"""Lists of names in text files."""

import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.names import is_line
from rl_nas.regular_files import MIB, read_regular_text

IGNORED = "ignore"
"""Name, in files, of what is neither learned nor measured."""

_MOST_BYTES = 16 * MIB
_COMMENT = re.compile(r"#(\s|$)")


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
            text = read_regular_text(file, _MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{flag}={path}: {error.strerror or error}; expected a text file") from error
    except ValueError as error:
        raise UsageError(f"{flag}={path} is not UTF-8 text; expected a line for each entry") from error
    lines = [line.strip() for line in text.split("\n")]  # other separators are part of a name, which is refused
    kept = [line for line in lines if line and not _COMMENT.match(line)]
    if not kept:
        raise UsageError(f"{flag}={path} has no entries; expected a line for each")
    return kept


def check_names(names: Sequence[str]) -> None:
    """Raises `UsageError` for a name that the files that go with a network could not give back."""
    for name in names:
        if name == IGNORED or name != name.strip() or not is_line(name) or _COMMENT.match(name):
            raise UsageError(
                f"class name {name!r} cannot be written into a list of classes; expected a line of UTF-8, no comment"
                f" and not {IGNORED}, without spaces around it: give names with --classes=FILE"
            )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UsageError(
            f"two classes have the name {twice!r}; expected different names: give them with --classes=FILE"
        )
