"""Names that users and strangers give, such as those of classes and files, in lines of text."""

from collections.abc import Collection, Iterable
from itertools import islice

from rl_nas.errors import UsageError


def shown_names(names: Collection[str], most: int) -> str:
    """The first names, and how many more there are: `cat, dog and 1,000 more`.

    Args:
        names: all of them.
        most: names that are shown.
    """
    more = len(names) - most
    return ", ".join(islice(names, most)) + (f" and {more:,} more" if more > 0 else "")


def is_line(name: str) -> bool:
    """Whether a name is one line of a UTF-8 text: that of a file may hold line breaks, and bytes that are no UTF-8."""
    return name.splitlines() == [name] and name.encode(errors="replace").decode() == name


def check_lines(names: Iterable[str]) -> None:
    """Raises `UsageError` for a class name that would shift those behind it in a list of classes."""
    broken = next((name for name in names if not is_line(name)), None)
    if broken is not None:
        raise UsageError(
            f"class name {broken!r} cannot be written into a list of classes; expected a line of UTF-8: rename it"
        )
