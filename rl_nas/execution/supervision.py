"""Handling of children's failures, whichever executor runs them: another attempt, or the end of the search."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from rl_nas.errors import RunError
from rl_nas.execution import Executor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.trial import Failure, Job, Outcome, TrialState

TRANSIENT = frozenset({TrialState.CRASHED, TrialState.OOM, TrialState.INTERRUPTED})
"""Failures that another attempt may avoid: the machine or the worker may be at fault, not the network."""


class SupervisedExecutor:
    """Repeats failed children with the same seeds, and stops when too many fail in a row.

    Args:
        executor: runs the attempts.
        settings: `max_attempts` and `max_consecutive_failures`.
    """

    def __init__(self, executor: Executor, settings: ExecutionSettings) -> None:
        self._executor, self._settings = executor, settings
        self._failed: list[Outcome] = []

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the last outcome of every job, with the failures of all attempts.

        Raises:
            RunError: there were too many failures in a row, all of which were yielded; has the first one's log.
        """
        again: deque[Job] = deque()
        failures: dict[int, tuple[Failure, ...]] = {}
        source: Iterable[Job | None] = jobs
        while True:
            for outcome in self._executor.run(_repeats_first(source, again)):
                index = outcome.job.index
                failed = failures.pop(index, ()) + outcome.failures
                if outcome.state in TRANSIENT and len(failed) < self._settings.max_attempts:
                    failures[index] = failed
                    again.append(outcome.job)
                    continue
                whole = replace(outcome, failures=failed)
                yield whole
                self._count(whole)
            if not again:
                return
            source = ()

    def _count(self, outcome: Outcome) -> None:
        if outcome.state is TrialState.OK:
            self._failed.clear()
        elif outcome.state not in (
            TrialState.INVALID,
            TrialState.OVER_LIMIT,
        ):  # a property of the architecture, not a fault
            self._failed.append(outcome)
        if len(self._failed) >= self._settings.max_consecutive_failures:
            first = self._failed[0]
            reason = first.failures[-1]
            raise RunError(
                f"{len(self._failed)} children in a row failed, the first one trial {first.job.index}: {reason.state},"
                f" {reason.error}; its log is above; --resume continues, --max_consecutive_failures allows more",
                reason.log,
            )


def _repeats_first(jobs: Iterable[Job | None], again: deque[Job]) -> Iterator[Job | None]:
    for job in jobs:
        while again:
            yield again.popleft()
        yield job
    while again:
        yield again.popleft()
