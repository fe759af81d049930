"""Figures that a task names: the first of its metrics is the quality, and none has the name of another figure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rl_nas.errors import UsageError

SPLIT = ("split", "images")
"""Figures beside the metrics of a split in results.json."""

TAKEN = {
    "metric": (
        *("trial", "index", "architecture", "state", "attempts", "failures", "error"),
        *("reward", "quality", "parameters", "madds", "epochs", "seconds", "latency", "curve", *SPLIT),
        *("tflite_size", "peak_memory"),
    ),
    "training figure": (
        *("epoch", "step", "learning_rate", "loss", "images", "images_per_second", "waiting", "seconds"),
    ),
    "export figure": ("file", "images", "latency_ms", "bytes"),
}
"""What a task names -> the figures that are written beside it, whose names it may not use."""

HELD_OUT = "valid_"
"""Prefix of the metrics on held-out images, beside the training figures."""


PROPORTIONS = ("accuracy",)
"""Metrics that are fractions of images, whose number tells how far they are chance."""


class Quality(NamedTuple):
    """The metric that rewards are computed from, and its value; higher is better."""

    name: str
    value: float


def quality_of(metrics: Mapping[str, float]) -> Quality:
    """The quality among the metrics of a task.

    Raises:
        UsageError: there is no metric.
    """
    for name, value in metrics.items():
        return Quality(name, value)
    raise UsageError("the task has no metric; expected at least the quality")


def metrics_of(document: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in the part of a results.json on a split, the quality first."""
    return {name: value for name, value in document.items() if name not in SPLIT and value is not None}


def check_names(kind: str, names: Iterable[str]) -> None:
    """Raises `UsageError` for a name of a task's figure that would hide another figure, or be hidden.

    Args:
        kind: of `TAKEN`.
        names: of the task's figures.
    """
    taken = TAKEN[kind]
    for name in names:
        if name in taken or (kind == "training figure" and name.startswith(HELD_OUT)):
            raise UsageError(
                f"{kind} {name!r} of the task has the name of another figure; rename it in the task, to none of"
                f" {', '.join(taken)}"
            )
