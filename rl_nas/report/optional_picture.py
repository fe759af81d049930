"""Pictures that runs draw beside their results, which never depend on them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rl_nas.errors import StorageError, first_line


@contextmanager
def optional_picture(what: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Tells that something cannot be drawn instead of raising: no result is lost for it.

    Args:
        what: is drawn.
        tell: called with a line.

    Raises:
        StorageError: the disk is full or read-only, as for any other file.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:  # of fonts, of settings of other programs, of a task that a user wrote
        tell(f"{what} cannot be drawn: {type(error).__name__}: {first_line(error)}")
