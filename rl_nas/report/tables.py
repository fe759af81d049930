"""Tables of trials as text."""

from collections.abc import Sequence

from rl_nas.trial import Trial


def trials_table(trials: Sequence[Trial]) -> str:
    """Trials, one a line, with their measurements."""
    columns = [("reward", 6, ".4f"), *_metrics(trials), ("parameters", 10, ","), ("multiply-adds", 13, ",")]
    columns.append(("seconds", 7, ".1f"))
    lines = ["trial  " + "  ".join(f"{name:>{width}}" for name, width, _ in columns)]
    for trial in trials:
        m = trial.measurement
        if m is None:
            lines.append(f"{trial.index:5}  {trial.state}: {trial.error}")
            continue
        values = {"reward": trial.reward, "quality": m.quality, **m.metrics, "parameters": m.parameters}
        values |= {"multiply-adds": m.madds, "seconds": m.seconds}
        cells = (_cell(values.get(name), width, form) for name, width, form in columns)
        lines.append(f"{trial.index:5}  " + "  ".join(cells))
    return "\n".join(lines)


def _metrics(trials: Sequence[Trial]) -> list[tuple[str, int, str]]:
    """Name, width and format of the columns of metrics: the quality, and one more."""
    names = next((list(trial.measurement.metrics) for trial in trials if trial.measurement), []) or ["quality"]
    shown = [name for name in names if "/" not in name][:2]
    return [
        (name, max(8, len(name)), ".4f") if n == 0 else (name, max(6, len(name)), ".3f") for n, name in enumerate(shown)
    ]


def _cell(value: float | None, width: int, form: str) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}{form}}"


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
