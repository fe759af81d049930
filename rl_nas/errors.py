"""Errors that callers need to distinguish.

Each message is one line: what was met, what was expected, what to do.
"""


class UsageError(ValueError):
    """Wrong use: a flag, a file or a folder is not what it must be (exit code 2)."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class StorageError(OSError):
    """The run folder cannot be read or written: full disk, read-only (exit code 2).

    It ends a search, as no further child could be recorded; it is never the failure of a child.
    """


class RunError(RuntimeError):
    """The work itself failed, although the request was correct (exit code 1).

    Attributes:
        log: output of the part that failed, if it helps; many lines.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def first_line(error: BaseException) -> str:
    """First line of an exception's message; the name of its type if there is none, or it cannot be told."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # of an exception that a stranger wrote
        lines = []
    return lines[0] if lines else type(error).__name__


def printable(text: str, keep: str = "") -> str:
    r"""A text that may hold a stranger's, such as the name of a file, that cannot steer a terminal.

    Control and other invisible characters are written as in Python, such as `\x1b`: the text is one line.

    Args:
        text: the text.
        keep: such characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else repr(one)[1:-1] for one in text)


def printable_lines(text: str) -> str:
    """A text of several lines, each of which is made `printable`."""
    return printable(text, keep="\n")
