"""Execution of children."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from rl_nas.trial import Job, Outcome


class Executor(Protocol):
    """Runs children. Whatever happens to a child, it ends in an outcome, never in an exception."""

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the outcome of every job, as they finish.

        Args:
            jobs: are taken when a worker is free. None: there is none until another outcome has been yielded.
        """
