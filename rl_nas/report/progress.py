"""The progress of a search: one live line on a terminal, a line per child elsewhere."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from rl_nas.trial import Trial


class SearchProgress:
    """Follows a search and shows it on standard error. Use it as a context.

    Args:
        total: children of the whole run.
        recorded: trials of earlier parts of the run.
        stream: where to show it.
    """

    def __init__(self, total: int, recorded: Sequence[Trial] = (), stream: TextIO = sys.stderr) -> None:
        self._total, self._stream = total, stream
        self._done, self._failures, self._cached = 0, 0, 0
        self._last: Trial | None = None
        self._best: float | None = None
        self._diagnostics: Mapping[str, float] = {}
        for trial in recorded:
            self._count(trial)
        self._recorded, self._started = self._done, time.monotonic()
        self._live = Live(console=Console(file=stream), get_renderable=self._render, refresh_per_second=2)

    def __enter__(self) -> Self:
        if self._stream.isatty():
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def follow(self, trial: Trial, diagnostics: Mapping[str, float]) -> None:
        """Counts a recorded or remembered trial and shows the new state."""
        self._count(trial)
        self._diagnostics = diagnostics
        if not self._live.is_started:
            print(self.line(), file=self._stream, flush=True)

    def line(self) -> str:
        """The state of the search in one line."""
        return "  ".join([f"{self._done}/{self._total} children", *self._figures()])

    def warn(self, message: str) -> None:
        """Shows a warning, above the live line if there is one."""
        if self._live.is_started:
            self._live.console.print(f"warning: {message}", style="yellow", highlight=False)
        else:
            print(f"warning: {message}", file=self._stream, flush=True)

    def _count(self, trial: Trial) -> None:
        self._last = trial
        if trial.cached:
            self._cached += 1
            return
        self._done += 1
        if trial.reward is None:
            self._failures += 1
        else:
            self._best = trial.reward if self._best is None else max(self._best, trial.reward)

    def _figures(self) -> list[str]:
        last = self._last
        figures = [f"{clock(self._seconds_left())} left"]
        if last is not None:
            outcome = last.state if last.reward is None else format(last.reward, ".4f")
            figures.append(f"last {outcome}{' (cached)' if last.cached else ''}")
        figures.append("best " + ("-" if self._best is None else f"{self._best:.4f}"))
        # Figures of single decisions, which have a slash in their names, are too many for a line.
        figures += [f"{name} {value:.3g}" for name, value in self._diagnostics.items() if "/" not in name]
        return [*figures, *([f"cached {self._cached}"] if self._cached else []), f"failures {self._failures}"]

    def _seconds_left(self) -> float | None:
        fresh = self._done - self._recorded
        if not fresh:
            return None
        return (time.monotonic() - self._started) / fresh * (self._total - self._done)

    def _render(self) -> Table:
        row = Table.grid(padding=(0, 2))
        figures = self._figures()
        row.add_row(
            ProgressBar(total=self._total, completed=self._done, width=20),
            f"{self._done}/{self._total}",
            *figures,
        )
        return row


def clock(seconds: float | None) -> str:
    """A time as H:MM:SS or M:SS."""
    if seconds is None:
        return "-:--"
    hours, rest = divmod(round(seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
