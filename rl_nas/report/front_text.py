"""The front of several objectives as text."""

from collections.abc import Mapping, Sequence

from rl_nas.objectives import QUALITY, Objectives
from rl_nas.report.tables import aligned, counted
from rl_nas.trial import Measurement, Trial

FIGURES: Mapping[str, tuple[str, float, str]] = {
    QUALITY: (QUALITY, 1, ".4f"),
    "parameters": ("parameters", 1, ","),
    "madds": ("multiply-adds", 1, ","),
    "latency": ("latency, ms", 1000, ".3f"),
    "tflite_size": ("TFLite, KiB", 1 / 1024, ",.1f"),
    "peak_memory": ("peak memory, KiB", 1 / 1024, ",.1f"),
}
"""Objective -> its name with its unit, what a measurement of it is multiplied by, and its format."""


def figure(measurement: Measurement, name: str) -> str:
    """The value of an objective as text."""
    value = getattr(measurement, name)
    _, factor, form = FIGURES[name]
    return "-" if value is None else f"{value * factor if factor != 1 else value:{form}}"


def front_text(objectives: Objectives, front: Sequence[Trial], trials: int) -> str:
    """The networks of a front, one a line.

    Args:
        objectives: of the search.
        front: of its trials.
        trials: of the search.
    """
    head = (
        f"The front of {', '.join(objectives.names)}: {len(front)} of {counted(trials, 'network')}, which no other"
        " equals or exceeds in all of them:"
    )
    rows = [["trial", *(FIGURES[name][0] for name in objectives.names)]]
    rows += [
        [str(trial.index), *(figure(trial.measurement, name) for name in objectives.names)]
        for trial in front
        if trial.measurement is not None
    ]
    return "\n".join([head, *aligned(rows, [(">", 5), *((">", 8) for _ in objectives.names)])])
