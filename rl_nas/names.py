"""Names that users and strangers give, such as those of classes and files, in lines of text."""

from collections.abc import Collection
from itertools import islice


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
