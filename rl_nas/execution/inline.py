"""Runs children one after the other in this process, for debugging: a child that ends it ends the search."""

from collections.abc import Iterable, Iterator
from typing import Self

from rl_nas.execution.attempt import Evaluator, attempt
from rl_nas.trial import Job, Outcome


class InlineExecutor:
    """Evaluates jobs in order. Exceptions of a child become its outcome; only interrupts pass through."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._busy = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        pass

    @property
    def workers(self) -> tuple[int, int]:
        """Busy workers, and all workers."""
        return self._busy, 1

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yields outcomes in the order of the jobs."""
        for job in jobs:
            self._busy = 1
            outcome = attempt(self._evaluator, job)
            self._busy = 0
            yield outcome
