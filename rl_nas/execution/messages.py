"""Messages between drivers and workers, as JSON: architectures there, measurements back."""

from dataclasses import asdict
from typing import Any

from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.trial import Failure, Job, Measurement, Outcome, TrialState

SEARCH_ERRORS = (UsageError, StorageError, RunError)
"""Errors of the search, not of a child: they are sent as such."""


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


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome without its job as a JSON value."""
    measurement = outcome.measurement
    return {
        "measurement": None if measurement is None else asdict(measurement),
        "failures": [asdict(failure) for failure in outcome.failures],
    }


def outcome_from_json(job: Job, document: dict[str, Any], log: str = "") -> Outcome:
    """The outcome of a job from a JSON value; `log` is what its child printed."""
    measurement = document["measurement"]
    return Outcome(
        job,
        None if measurement is None else Measurement(**{**measurement, "curve": tuple(measurement["curve"])}),
        tuple(Failure(TrialState(f["state"]), f["error"], f["log"] or log) for f in document["failures"]),
    )


def error_to_json(error: Exception) -> dict[str, Any]:
    """One of `SEARCH_ERRORS` as a JSON value."""
    return {"error": type(error).__name__, "message": str(error), "log": getattr(error, "log", "")}


def error_from_json(document: dict[str, Any]) -> Exception | None:
    """The error in a JSON value; None if it is another message."""
    kinds = {kind.__name__: kind for kind in SEARCH_ERRORS}
    kind = kinds.get(str(document.get("error")))
    if kind is None:
        return None
    message = str(document.get("message"))
    return RunError(message, str(document.get("log"))) if kind is RunError else kind(message)
