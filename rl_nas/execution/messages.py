"""Messages between drivers and workers, as JSON: architectures there, measurements back.

Every request has a nonce. An answer repeats it with the number of the trial: what a child of another job says, or
anything else that arrives, is no answer. Before the last answer, the outcome, others may tell the child's progress.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rl_nas.admission import admit_failure, admit_measurement, admit_progress, last_lines, one_line
from rl_nas.errors import RunError, StorageError, UsageError, first_line
from rl_nas.trial import ChildError, ChildProgress, Job, Outcome, TrialState

SEARCH_ERRORS = (UsageError, StorageError, RunError)
"""Errors of the search, not of a child: they are sent as such."""

_PROGRESS = "progress"

GARBLED = "wrote to the connection between its worker and the search"
"""The failure of a child during which something came that is no answer."""


def job_to_json(job: Job) -> dict[str, Any]:
    """A job as a JSON value."""
    return {
        "index": job.index,
        "architecture": job.architecture,
        "seed": job.seed,
        "thresholds": job.thresholds,
        "epochs": job.epochs,
    }


def job_from_json(document: dict[str, Any]) -> Job:
    """The job of a JSON value."""
    return Job(
        document["index"],
        tuple(document["architecture"]),
        document["seed"],
        tuple(document["thresholds"]),
        document["epochs"],
    )


def request(job: Job) -> dict[str, Any]:
    """A job with a fresh nonce, as a JSON value."""
    return {"job": job_to_json(job), "nonce": secrets.token_hex(16)}


def answer(request: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request: an outcome, or an error of the search, as a JSON value."""
    return {"index": request["job"]["index"], "nonce": request["nonce"], **content}


def is_answer(message: Mapping[str, Any], request: Mapping[str, Any] | None) -> bool:
    """Whether a message is the answer to a request."""
    mark = ("index", "nonce")
    return request is not None and [message.get(name) for name in mark] == [answer(request, {})[name] for name in mark]


def progress_to_json(done: int, total: int) -> dict[str, Any]:
    """The progress of a child as a JSON value, the content of an answer that is not the last one."""
    return {_PROGRESS: [done, total]}


def progress_from_json(job: Job, answered: Mapping[str, Any], last: ChildProgress | None) -> ChildProgress | None:
    """The progress of a job's child from an answer; None: it is the last answer.

    Args:
        job: the request.
        answered: an answer to it.
        last: the progress that was answered before.

    Raises:
        ChildError: it is no progress; this is the child's failure.
    """
    return admit_progress(job.index, answered[_PROGRESS], last) if _PROGRESS in answered else None


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome without its job as a JSON value."""
    measurement = outcome.measurement
    return {
        "measurement": None if measurement is None else asdict(measurement),
        "failures": [asdict(failure) for failure in outcome.failures],
    }


def outcome_from_json(job: Job, document: Mapping[str, Any], log: str = "") -> Outcome:
    """The outcome of a job from a JSON value.

    Args:
        job: the request.
        document: what was answered.
        log: what its child printed, for failures that have none.

    Raises:
        ChildError: the answer is no outcome; this is the child's failure.
    """
    figures, failures = document.get("measurement"), document.get("failures")
    if not isinstance(failures, list) or not all(isinstance(failure, dict) for failure in failures):
        raise ChildError(TrialState.CRASHED, "answered without a list of failures")
    if figures is None and not failures:
        raise ChildError(TrialState.CRASHED, "answered with neither a measurement nor a failure")
    measurement = None if figures is None else admit_measurement(figures)
    return Outcome(
        job, measurement, tuple(admit_failure(f.get("state"), f.get("error"), f.get("log") or log) for f in failures)
    )


def error_to_json(error: Exception) -> dict[str, Any]:
    """One of `SEARCH_ERRORS` as a JSON value."""
    kind = next(kind for kind in SEARCH_ERRORS if isinstance(error, kind))
    log = error.log if isinstance(error, RunError) else ""
    return {"error": kind.__name__, "message": one_line(first_line(error)), "log": last_lines(log)}


def error_from_json(document: Mapping[str, Any]) -> Exception | None:
    """The error in a JSON value; None if it is another message."""
    kinds = {kind.__name__: kind for kind in SEARCH_ERRORS}
    kind = kinds.get(str(document.get("error")))
    if kind is None:
        return None
    message = one_line(str(document.get("message")))
    return RunError(message, last_lines(str(document.get("log")))) if kind is RunError else kind(message)
