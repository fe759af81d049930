"""The classes of a detector: those of a data set, or some of them."""

from collections.abc import Sequence

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.listed import shown
from rl_nas.tasks.name_lists import check_names, read_lines

PADDING = -1
"""Label of what is no box to be learned: rows that only fill an array, and boxes of other classes."""


def read_class_names(given: str) -> tuple[str, ...]:
    """The names that `--classes` gives: those of a file, or numbers.

    Raises:
        UsageError: the file cannot be read, or its names cannot be those of classes.
    """
    if given.isdecimal() and len(given) < 6:
        if int(given) < 1:
            raise UsageError(f"--classes={given}: expected at least 1 class")
        return tuple(map(str, range(int(given))))
    names = read_lines(given, "--classes")
    check_names(names)
    return tuple(names)


def choose_classes(own: Sequence[str], given: str | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes that are learned, and the number there of each class of a data set.

    Args:
        own: names that the data set has.
        given: value of `--classes`; None: all are learned.

    Returns:
        The names; and for each of the own classes its number, or PADDING if it is not learned.

    Raises:
        UsageError: the names cannot be written into files, or the data set has others.
    """
    if not own:
        raise UsageError("the data set has no class, as no box has one; expected boxes to learn from")
    if given is None or given.isdecimal():
        if given is not None and len(read_class_names(given)) != len(own):
            raise UsageError(
                f"--classes={given}, but the data set has {len(own)}: {some_names(own)}; give a file with the names of"
                " those that are to be learned, or leave it out"
            )
        check_names(own)
        return tuple(own), tuple(range(len(own)))
    names, known = read_class_names(given), set(own)
    number_of = {name: number for number, name in enumerate(names)}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise UsageError(
            f"--classes={given} has {unknown!r}; expected some of the data set's classes: {some_names(own)}"
        )
    return names, tuple(number_of.get(name, PADDING) for name in own)


def some_names(names: Sequence[str], most: int = 10) -> str:
    """The first names in words, and how many more there are."""
    return ", ".join(map(shown, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
