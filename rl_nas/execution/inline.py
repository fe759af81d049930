"""Runs children one after the other in this process, for debugging: a child that ends it ends the search."""

import time
from collections.abc import Iterable, Iterator
from typing import Self

from rl_nas.execution.attempt import Evaluator, attempt
from rl_nas.execution.progress import listening
from rl_nas.trial import ChildProgress, Job, Outcome


class InlineExecutor:
    """Evaluates jobs in order. Exceptions of a child become its outcome; only interrupts pass through."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._running: ChildProgress | None = None
        self._began: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        pass

    @property
    def workers(self) -> tuple[int, int]:
        """Busy workers, and all workers."""
        return int(self._running is not None), 1

    @property
    def running(self) -> list[ChildProgress]:
        """How far the child is that is evaluated now."""
        return [] if self._running is None else [self._running]

    @property
    def began(self) -> float | None:
        """When the first child began, by time.monotonic; None: none has."""
        return self._began

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields outcomes in the order of the jobs."""
        for job in filter(None, jobs):
            self._began = self._began or time.monotonic()
            self._running = ChildProgress(job.index)
            with listening(self._hear):
                outcome = attempt(self._evaluator, job)
            self._running = None
            yield outcome

    def _hear(self, done: int, total: int) -> None:
        if self._running is not None:
            self._running = ChildProgress(self._running.index, done, total)
