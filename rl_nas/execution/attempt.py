"""One attempt at a child: whatever happens to it becomes an outcome."""

import math
from collections.abc import Callable

from rl_nas.errors import StorageError, UsageError, first_line
from rl_nas.trial import ChildError, Failure, Job, Measurement, Outcome, TrialState

Evaluator = Callable[[Job], Measurement]
"""Measures the child of a job; what it raises becomes the child's failure."""

_LONGEST = 500


def attempt(evaluator: Evaluator, job: Job) -> Outcome:
    """Evaluates a job. Only interrupts pass through, and `StorageError`: no later child could be recorded either."""
    try:
        measurement = evaluator(job)
    except StorageError:
        raise
    except Exception as error:
        return Outcome(job, failures=(Failure(_state(error), describe(error)),))
    figures = {measurement.quality_name: measurement.quality, **measurement.metrics}
    if not all(map(math.isfinite, figures.values())):
        met = ", ".join(f"{name} {value}" for name, value in figures.items() if not math.isfinite(value))
        return Outcome(job, failures=(Failure(TrialState.NAN, f"{met}; expected finite numbers"),))
    return Outcome(job, measurement)


def describe(error: BaseException) -> str:
    """An exception in one line."""
    name, line = type(error).__name__, first_line(error)
    return (line if isinstance(error, ChildError) or line == name else f"{name}: {line}")[:_LONGEST]


def _state(error: Exception) -> TrialState:
    if isinstance(error, ChildError):
        return error.state
    if isinstance(error, MemoryError):
        return TrialState.OOM
    return TrialState.INVALID if isinstance(error, UsageError) else TrialState.CRASHED
