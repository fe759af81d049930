"""A progress display: one line that is redrawn on a terminal; separate lines elsewhere."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rl_nas.errors import printable
from rl_nas.report.heartbeat import QUIET, Heartbeat


class Progress(Protocol):
    """The state of a long task."""

    @property
    def fraction(self) -> float:
        """The part of the task that is done, from 0 to 1."""

    def words(self) -> list[str]:
        """The state, part by part; another thread may ask for it."""

    def now(self) -> list[str]:
        """What is being done at the moment, which changes between two lines; part by part."""


class LiveLine:
    """The display of a long task: a bar, its state in words, and warnings above. Use it as a context manager.

    Args:
        progress: the state to show.
        stream: where to show it; None: the standard error of this moment, which notebooks and tests replace.
        every: seconds after which there is a further line while nothing happens, if it is not redrawn.
    """

    def __init__(self, progress: Progress, stream: TextIO | None = None, *, every: float = QUIET) -> None:
        self._progress, self._stream = progress, stream or sys.stderr
        self._live: Live | None = None
        self._heartbeat = Heartbeat(self._still, first=every, every=every)
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        if self._stream.isatty():
            console = Console(file=self._stream)
            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=2)
            self._live.start(refresh=True)
            self._exit.callback(self._live.stop)
        else:
            self._exit.enter_context(self._heartbeat)
        return self

    def __exit__(self, *raised: object) -> None:
        self._exit.close()

    def show(self) -> None:
        """Prints the line if it is not redrawn."""
        if self._live is None:
            self._print(self._text(self._progress.words()))

    def tell(self, message: str, style: str | None = None) -> None:
        """Shows a line, above the live one if there is one."""
        if self._live is not None:
            self._live.console.print(message, style=style, highlight=False, markup=False)
        else:
            self._print(message)

    def warn(self, message: str) -> None:
        """Shows a warning, above the live line if there is one."""
        self.tell(f"warning: {message}", "yellow")

    def _still(self) -> None:
        self._write(f"still {self._text([*self._progress.words(), *self._progress.now()])}")

    def _print(self, line: str) -> None:
        self._write(line)
        self._heartbeat.happened()

    def _write(self, line: str) -> None:
        print(f"{line}\n", end="", file=self._stream, flush=True)  # at once: two threads print

    def _text(self, words: list[str]) -> str:
        """Names of classes are among them, which are a stranger's."""
        return "  ".join(map(printable, words))

    def _render(self) -> Table:
        shown = self._progress
        row, text = Table.grid(padding=(0, 2)), self._text([*shown.words(), *shown.now()])
        row.add_row(ProgressBar(total=1, completed=shown.fraction, width=20), Text(text))
        return row


def figure_words(figures: Mapping[str, float]) -> list[str]:
    """Figures, without those of single decisions: these have a slash in their names and are too many for a line."""
    return [f"{name} {value:.3g}" for name, value in figures.items() if "/" not in name]
