"""Runs children one after the other in this process."""

from collections.abc import Callable, Iterable, Iterator

from rl_nas.errors import StorageError
from rl_nas.trial import Job, Measurement, Outcome, TrialState

Evaluator = Callable[[Job], Measurement]
"""Measures the child of a job; what it raises becomes the child's failure."""

Classify = Callable[[Exception], TrialState]
"""Which kind of failure an exception of an evaluator stands for."""


class InlineExecutor:
    """Evaluates jobs in order. What a child raises becomes its outcome; only interrupts pass through."""

    def __init__(self, evaluator: Evaluator, classify: Classify = lambda error: TrialState.CRASHED) -> None:
        self._evaluator = evaluator
        self._classify = classify

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yields outcomes in the order of the jobs."""
        for job in jobs:
            yield self._evaluate(job)

    def _evaluate(self, job: Job) -> Outcome:
        try:
            return Outcome(job, TrialState.OK, self._evaluator(job))
        except StorageError:
            raise  # no later child could be kept either
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            return Outcome(job, self._classify(error), error=f"{type(error).__name__}: {lines[0]}"[:500])
