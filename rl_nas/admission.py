"""The door for what is said of children: by themselves, by workers, by files. It is checked, or refused."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from rl_nas.errors import UsageError, first_line, printable
from rl_nas.trial import ChildError, ChildProgress, Failure, Measurement, Reward, TrialState

_MOST_METRICS = 100_000
_LONGEST_NAME = 200
_LONGEST_LINE = 500
_LOG_LINES = 40
_LARGEST_COUNT = 2**63 - 1
"""The largest integer of SQLite."""
LARGEST_REWARD = 1e12
"""Strategies square rewards and sum these, in part as float32, whose largest number is 3e38."""

_FAILURES = frozenset(TrialState) - {TrialState.OK}
_FIELDS = tuple(field.name for field in fields(Measurement))
_COUNTS = ("parameters", "madds", "epochs", "tflite_size", "peak_memory")
_MOST_STEPS = 100_000_000
"""Of the progress of a child; it cannot tell more often than that."""
_SECONDS = ("seconds", "latency")


def reported_figures(measurement: object) -> dict[str, Any]:
    """The figures of what an evaluator returned, a measurement or the quality alone, for `admit_measurement`.

    Raises:
        ChildError: it returned something else.
    """
    if isinstance(measurement, Measurement):
        return {name: getattr(measurement, name) for name in _FIELDS}
    if isinstance(measurement, bool) or not isinstance(measurement, Real):
        raise _refused(f"its evaluator returned {_shown(measurement)}; expected a Measurement, or a number")
    return {"quality": measurement}


def admit_measurement(figures: Mapping[str, Any]) -> Measurement:
    """The measurement of some figures, by the names of its fields; NumPy's numbers become Python's.

    Raises:
        ChildError: one is missing, or is not what it must be; of kind `nan` where a quality or a metric is not finite.
    """
    if not isinstance(figures, Mapping) or not {"quality"} <= set(figures) <= set(_FIELDS):
        raise _refused(f"its figures are {_shown(figures)}; expected those of a measurement")
    metrics, curve = _metrics(figures.get("metrics", {})), _curve(figures.get("curve", ()))
    name = next(iter(metrics), "quality")
    quality = _number(name, figures["quality"])
    after_epochs = [(f"{name} after epoch {at}", value) for at, value in enumerate(curve, start=1)]
    qualities = [(name, quality), *metrics.items(), *after_epochs]
    met = dict.fromkeys(f"{name} {value}" for name, value in qualities if not math.isfinite(value))
    if met:
        raise ChildError(TrialState.NAN, f"{', '.join(met)[:_LONGEST_LINE]}; expected finite numbers")
    others: dict[str, Any] = {name: _count(name, figures.get(name)) for name in _COUNTS}
    others |= {name: _seconds(name, figures.get(name)) for name in _SECONDS}
    try:
        return Measurement(quality, metrics, curve=curve, **others)
    except UsageError as error:  # the name of a metric
        raise _refused(str(error)) from error


def admit_failure(state: object, error: object, log: object = "") -> Failure:
    """A failure whose texts can be shown and stored.

    Raises:
        ChildError: the state is none of a failure, or the texts are none.
    """
    if not isinstance(error, str) or not isinstance(log, str):
        raise _refused(f"its failure is {_shown(error)}, {_shown(log)}; expected texts")
    if not isinstance(state, str) or state not in _FAILURES:
        raise _refused(f"it failed with state {_shown(state)}: {error}")
    return Failure(TrialState(state), one_line(error), last_lines(log))


def admit_progress(index: int, told: object, last: ChildProgress | None = None) -> ChildProgress:
    """The progress of a child: finished steps and all, of which it tells ever more.

    Args:
        index: number of the trial.
        told: what its worker sent.
        last: what was admitted before.

    Raises:
        ChildError: it is something else, so that a child cannot keep the search busy with messages without end.
    """
    counts = [_count("its progress", one) for one in told] if isinstance(told, list) and len(told) == 2 else []
    if not counts or None in counts:
        raise _refused(f"its progress is {_shown(told)}; expected two whole numbers")
    progress = ChildProgress(index, *counts)  # type: ignore[arg-type]
    grows = last is None or (progress.done > last.done and progress.total == last.total)
    if not 0 < progress.done <= progress.total <= _MOST_STEPS or not grows:
        before = "" if last is None else f" after {last.done} of {last.total}"
        raise _refused(f"its progress is {progress.done} of {progress.total}{before}; expected growing steps")
    return progress


def failure_of(error: BaseException) -> Failure:
    """The failure of a child whose evaluator raised an exception, however odd that is."""
    try:
        return admit_failure(_state(error), _message(error))
    except Exception as refused:
        return Failure(TrialState.CRASHED, one_line(first_line(refused)))


def reward_of(measurement: Measurement, reward: Reward) -> float:
    """The reward of a child.

    Raises:
        ChildError: of kind `nan`, if it is no finite number that strategies can compute with; of kind `crashed`, if
            its function returns something else or raises an exception.
    """
    try:
        value: object = reward(measurement)
    except ChildError:
        raise
    except Exception as error:
        state = TrialState.NAN if isinstance(error, ArithmeticError) else TrialState.CRASHED
        raise ChildError(state, f"its reward cannot be computed: {one_line(_message(error))}") from error
    number = _number("its reward", int(value) if isinstance(value, bool) else value)
    if not abs(number) <= LARGEST_REWARD:
        raise ChildError(TrialState.NAN, f"its reward is {number}; expected a number up to {LARGEST_REWARD:g}")
    return number


def one_line(text: str) -> str:
    """The first line of a text, cut where it is long, that can be printed anywhere."""
    lines = text[: 4 * _LONGEST_LINE].strip().splitlines() or [""]
    return printable(lines[0])[:_LONGEST_LINE]


def last_lines(text: str) -> str:
    """The last lines of a text, cut where they are long, that can be printed anywhere."""
    return "\n".join(printable(line[:_LONGEST_LINE], keep="\t") for line in text.splitlines()[-_LOG_LINES:])


def _metrics(metrics: object) -> dict[str, float]:
    if not isinstance(metrics, Mapping) or len(metrics) > _MOST_METRICS:
        raise _refused(f"its metrics are {_shown(metrics)}; expected at most {_MOST_METRICS:,} named numbers")
    for name in metrics:
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise _refused(f"a metric is named {_shown(name)}; expected at most {_LONGEST_NAME} characters")
    return {printable(name): _number(printable(name), value) for name, value in metrics.items()}


def _curve(curve: object) -> tuple[float, ...]:
    if not isinstance(curve, Sequence) or isinstance(curve, str):
        raise _refused(f"its curve is {_shown(curve)}; expected a list of qualities")
    return tuple(_number("a quality of its curve", value) for value in curve)


def _number(name: str, value: object) -> float:
    """A real number; infinite where Python's floats end."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _refused(f"{name} is {_shown(value)}; expected a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _count(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) <= _LARGEST_COUNT:
        raise _refused(f"{name} is {_shown(value)}; expected a whole number from 0 to 2**63 - 1")
    return int(value)


def _seconds(name: str, value: object) -> float | None:
    seconds = None if value is None else _number(name, value)
    if seconds is not None and not 0 <= seconds < math.inf:
        raise _refused(f"{name} is {seconds}; expected a finite number from 0")
    return seconds


def _state(error: BaseException) -> object:
    if isinstance(error, ChildError):
        return getattr(error, "state", None)
    if isinstance(error, MemoryError):
        return TrialState.OOM
    return TrialState.INVALID if isinstance(error, UsageError) else TrialState.CRASHED


def _message(error: BaseException) -> str:
    name, line = type(error).__name__, first_line(error)
    return line if isinstance(error, ChildError) or line == name else f"{name}: {line}"


def _refused(met: str) -> ChildError:
    return ChildError(TrialState.CRASHED, met)


def _shown(value: object) -> str:
    """A value in a few characters, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # of a type that a stranger wrote, or of a number with too many digits
        text = type(value).__name__
    return printable(text[:60]) + ("..." if len(text) > 60 else "")
