"""Gives children the qualities that they must reach to be trained on, from those of finished ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from rl_nas.early_stopping.rules import Finished, Rule
from rl_nas.execution import Executor
from rl_nas.trial import Job, Outcome, Trial


class EarlyStoppingExecutor:
    """Gives every child the quality that it must reach after each epoch (`Job.thresholds`).

    A threshold depends only on trials whose numbers are at least `lag` lower: with synchronous batches it depends
    neither on the number of workers nor on where a run was interrupted.

    Args:
        executor: runs the children.
        rule: from the curves of finished children, in the order of their numbers, to the thresholds.
        recorded: trials of earlier parts of the run.
        lag: how much lower the numbers of trials are that a child waits for.
    """

    def __init__(
        self,
        executor: Executor,
        rule: Rule,
        recorded: Sequence[Trial] = (),
        lag: int = 1,
    ) -> None:
        self._executor, self._rule, self._lag = executor, rule, lag
        measured = ((trial.index, trial.architecture, trial.measurement) for trial in recorded)
        self._finished = {index: Finished(one, found.curve) for index, one, found in measured if found}

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the outcomes as they come."""
        for outcome in self._executor.run(self._with_thresholds(job) for job in jobs):
            job = outcome.job
            if outcome.measurement is not None:
                self._finished[job.index] = Finished(job.architecture, outcome.measurement.curve)
            yield outcome

    def _with_thresholds(self, job: Job | None) -> Job | None:
        if job is None:
            return None
        # In the order of their numbers, not of arrival: sums depend on it.
        finished = [child for number, child in sorted(self._finished.items()) if number <= job.index - self._lag]
        return replace(job, thresholds=self._rule.thresholds(job, finished))


class ForgettingExecutor:
    """Deletes what is kept of a child when the next outcome is asked for: its own is recorded then.

    Args:
        executor: runs the children.
        forget: called with the number of a trial.
    """

    def __init__(self, executor: Executor, forget: Callable[[int], None]) -> None:
        self._executor, self._forget = executor, forget

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the outcomes as they come."""
        for outcome in self._executor.run(jobs):
            yield outcome
            self._forget(outcome.job.index)
