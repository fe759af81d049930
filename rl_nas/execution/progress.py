"""What a child tells of its training while it goes on: its executor listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int], None]
"""Is called with the number of finished steps of a child, such as epochs, and of all."""


def _nobody(done: int, total: int) -> None:
    """Outside of an executor."""


_listener: ContextVar[Listener] = ContextVar("listener", default=_nobody)


def tell_progress(done: int, total: int) -> None:
    """Tells the executor of the child that is evaluated now how far it is.

    Args:
        done: finished steps, such as epochs; more than in the last call.
        total: steps of the whole evaluation, the same in all calls.
    """
    _listener.get()(done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls a function with what the body tells."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
