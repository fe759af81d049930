"""The errors that callers need to tell apart.

Each message is one line: what was met, what was expected, what to do.
"""


class UsageError(ValueError):
    """Wrong use: a flag, a file or a folder is not what it must be (exit code 2)."""


class StorageError(OSError):
    """The run folder cannot be read or written: full disk, read-only (exit code 2).

    It ends a search, as no child could be recorded any more; it is never the failure of a child.
    """


class RunError(RuntimeError):
    """The work itself failed although it was asked for correctly (exit code 1).

    Attributes:
        log: what the part that failed had printed, if that helps; many lines.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def first_line(error: BaseException) -> str:
    """What an exception says first; the name of its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
