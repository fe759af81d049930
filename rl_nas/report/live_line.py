"""A progress display: one line that is redrawn on a terminal; separate lines elsewhere."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rl_nas.errors import printable


class Progress(Protocol):
    """The state of a long task."""

    @property
    def total(self) -> int:
        """Number of steps."""

    @property
    def done(self) -> int:
        """Number of finished steps."""

    def words(self) -> list[str]:
        """The state, part by part."""


class LiveLine:
    """The display of a long task: a bar, its state in words, and warnings above. Use it as a context manager.

    Args:
        progress: the state to show.
        stream: where to show it; None: the standard error of this moment, which notebooks and tests replace.
    """

    def __init__(self, progress: Progress, stream: TextIO | None = None) -> None:
        self._progress, self._stream = progress, stream or sys.stderr
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._stream.isatty():
            console = Console(file=self._stream)
            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=2)
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self) -> None:
        """Prints the line if it is not redrawn."""
        if self._live is None:
            print("  ".join(self._words()), file=self._stream, flush=True)

    def warn(self, message: str) -> None:
        """Shows a warning, above the live line if there is one."""
        if self._live is not None:
            self._live.console.print(f"warning: {message}", style="yellow", highlight=False, markup=False)
        else:
            print(f"warning: {message}", file=self._stream, flush=True)

    def _words(self) -> list[str]:
        """Names of classes are among them, which are a stranger's."""
        return [printable(word) for word in self._progress.words()]

    def _render(self) -> Table:
        shown = self._progress
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=shown.total, completed=shown.done, width=20), *map(Text, self._words()))
        return row


class Pace:
    """The speed of a task, measured since the creation of this object.

    Args:
        done: steps that were done before, which do not count.
    """

    def __init__(self, done: int = 0) -> None:
        self._before, self._began = done, time.monotonic()

    def seconds_each(self, done: int) -> float | None:
        """Mean seconds of a step; None before the first."""
        fresh = done - self._before
        return (time.monotonic() - self._began) / fresh if fresh else None

    def left(self, done: int, total: int) -> str:
        """The time left, in words."""
        seconds = self.seconds_each(done)
        return f"{clock(None if seconds is None else seconds * (total - done))} left"


def figure_words(figures: Mapping[str, float]) -> list[str]:
    """Figures, without those of single decisions: these have a slash in their names and are too many for a line."""
    return [f"{name} {value:.3g}" for name, value in figures.items() if "/" not in name]


def clock(seconds: float | None) -> str:
    """A time as H:MM:SS or M:SS."""
    if seconds is None:
        return "-:--"
    hours, rest = divmod(round(seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
