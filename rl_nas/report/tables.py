"""Tables of trials as text."""

from collections.abc import Sequence

from rl_nas.trial import Trial


def trials_table(trials: Sequence[Trial]) -> str:
    """Trials, one a line, with what was measured."""
    lines = ["trial  reward  accuracy    loss  parameters  multiply-adds  seconds"]
    for trial in trials:
        m = trial.measurement
        if m is None:
            lines.append(f"{trial.index:5}  {trial.state}: {trial.error}")
        else:
            lines.append(
                f"{trial.index:5}  {trial.reward:6.4f}  {m.accuracy:8.4f}  {m.loss:6.3f}  {m.parameters:10,}"
                f"  {m.madds:13,}  {m.seconds:7.1f}"
            )
    return "\n".join(lines)


def failures_table(trials: Sequence[Trial]) -> str:
    """The failed attempts at trials, each with what it printed last."""
    parts = []
    for trial in trials:
        for attempt, failure in enumerate(trial.failures, start=1):
            head = f"trial {trial.index}, attempt {attempt}: {failure.state}: {failure.error}"
            parts += ["", head, *(f"    {line}" for line in failure.log.splitlines())]
    return "\n".join(parts)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun, in the singular or the plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
