"""Tables of trials as text."""

from collections.abc import Sequence
from typing import Any

from rl_nas.errors import printable
from rl_nas.metrics import PROPORTIONS
from rl_nas.statistics import FEW, proportion_text
from rl_nas.trial import Trial, trial_document

COSTS = ("parameters", "madds", "epochs", "seconds", "latency", "tflite_size", "peak_memory")
"""Figures of a measurement besides its metrics."""

_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Signs that formulas begin with in spreadsheets, also as wide as those of Chinese and Japanese."""


def csv_cell(text: str) -> str:
    """A text that spreadsheets take for a text, not for a formula, and that cannot steer a terminal."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def trials_table(trials: Sequence[Trial]) -> str:
    """Trials, one a line, with their measurements; their epochs where some were stopped early."""
    columns = [("trial", 5, ""), ("reward", 6, ".4f"), *_metrics(trials), ("parameters", 10, ",")]
    epochs = {trial.measurement.epochs for trial in trials if trial.measurement}
    columns += [("multiply-adds", 13, ","), *([("epochs", 6, ",")] if len(epochs) > 1 else []), ("seconds", 7, ".1f")]
    rows = [[name for name, _, _ in columns]]
    for trial in trials:
        m = trial.measurement
        if m is None:
            continue
        values = {"trial": trial.index, "reward": trial.reward, "quality": m.quality, **m.metrics}
        values |= {"parameters": m.parameters, "multiply-adds": m.madds, "epochs": m.epochs, "seconds": m.seconds}
        rows.append([_cell(values.get(name), form) for name, _, form in columns])
    head, *measured = aligned(rows, [(">", width) for _, width, _ in columns])
    left = iter(measured)
    failed = "{0.index:5}  {0.state}: {0.error}".format
    return "\n".join([head, *(failed(trial) if trial.measurement is None else next(left) for trial in trials)])


def trial_row(trial: Trial) -> dict[str, Any]:
    """A trial's number, state, reward, metrics, costs, number of attempts and error, by name; None where unknown."""
    document = trial_document(trial)
    metrics = (trial.measurement.metrics or ["quality"]) if trial.measurement else []
    names = ("state", "reward", *metrics, *COSTS)
    known = {name: document.get(name) for name in names}
    return {"trial": trial.index, **known, "state": str(trial.state), "attempts": trial.attempts, "error": trial.error}


def aligned(rows: Sequence[Sequence[str]], columns: Sequence[tuple[str, int]]) -> list[str]:
    """Lines of a table.

    Args:
        rows: of cells; the first holds the heads.
        columns: `<` or `>`, the side that a column's cells are aligned on, and its least width.
    """
    widths = [max(least, *map(len, cells)) for (_, least), cells in zip(columns, zip(*rows, strict=True), strict=True)]
    sides = [side for side, _ in columns]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def _metrics(trials: Sequence[Trial]) -> list[tuple[str, int, str]]:
    """Name, width and format of the columns of metrics: the quality, and one more."""
    names = next((list(trial.measurement.metrics) for trial in trials if trial.measurement), []) or ["quality"]
    shown = [name for name in names if "/" not in name][:2]
    return [
        (name, max(8, len(name)), ".4f") if n == 0 else (name, max(6, len(name)), ".3f") for n, name in enumerate(shown)
    ]


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def failures_table(trials: Sequence[Trial]) -> str:
    """The failed attempts at trials, each with the end of its log."""
    parts = []
    for trial in trials:
        for attempt, failure in enumerate(trial.failures, start=1):
            head = f"trial {trial.index}, attempt {attempt}: {failure.state}: {failure.error}"
            parts += ["", head, *(f"    {line}" for line in failure.log.splitlines())]
    return "\n".join(parts)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun, in the singular or the plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def measured_text(name: str, value: float, images: int, few: int = FEW) -> str:
    """A metric on images: its name and value; a fraction of fewer images than `few` with its 95% interval."""
    return f"{name.replace('_', ' ')} {figure_text(name, value, images, few)}"


def figure_text(name: str, value: float, images: int, few: int = FEW) -> str:
    """The value of a metric on images; a fraction of fewer images than `few` with its 95% interval."""
    return proportion_text(value, images, few) if name in PROPORTIONS else f"{value:.4f}"


def held_out_text(images: int, split: str | None) -> str:
    """The images that a search measured on, in words.

    Args:
        images: how many.
        split: which they are; None: a part of the training split.
    """
    return f"{images:,} {held_out_place(split)}"


def held_out_place(split: str | None) -> str:
    """Which images a search measured on, in words; split as of `held_out_text`."""
    return "held-out images of the training split" if split is None else f"images of split {split}"
