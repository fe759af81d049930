"""When a search begins no further child, such as when its time is spent."""

import itertools
from collections.abc import Callable, Iterable, Iterator

from rl_nas.trial import Job


def never() -> bool:
    """Stops no search."""
    return False


class Gate:
    """Lets jobs in, one by one, until a search is to be stopped.

    It does not ask between jobs that are taken together: a batch that is compared as a whole is let in as a whole.

    Attributes:
        closed: whether no further job is let in.
    """

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self.ask()

    def ask(self) -> None:
        """Asks whether the search is to be stopped."""
        self.closed = self._stop()

    def let_in(self, jobs: Iterable[Job | None]) -> Iterator[Job | None]:
        """The jobs, as long as it is open."""
        return itertools.takewhile(lambda _: not self.closed, jobs)
