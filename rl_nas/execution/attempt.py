"""One attempt at a child: whatever happens to it becomes an outcome."""

from collections.abc import Callable

from rl_nas.admission import admit_measurement, failure_of, reported_figures
from rl_nas.errors import StorageError
from rl_nas.trial import Job, Measurement, Outcome

Evaluator = Callable[[Job], Measurement | float]
"""Measures the child of a job, or its quality alone; what it raises becomes the child's failure."""


def attempt(evaluator: Evaluator, job: Job) -> Outcome:
    """Evaluates a job. Only interrupts pass through, and `StorageError`: no later child could be recorded either."""
    try:
        return Outcome(job, admit_measurement(reported_figures(evaluator(job))))
    except StorageError:
        raise
    except Exception as error:
        return Outcome(job, failures=(failure_of(error),))
