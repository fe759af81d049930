"""One line that is redrawn on a terminal; elsewhere, lines one after the other."""

import sys
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table


class LiveLine:
    """The display of something long: a bar, its state in words, and warnings above. Use it as a context.

    Subclasses say what there is to see: `total`, `done` and `words`.

    Args:
        stream: where to show it.
    """

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
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

    @property
    def total(self) -> int:
        """What is to be done."""
        raise NotImplementedError

    @property
    def done(self) -> int:
        """What of it is done."""
        raise NotImplementedError

    def words(self) -> list[str]:
        """The state, part by part."""
        raise NotImplementedError

    def line(self) -> str:
        """The state in one line."""
        return "  ".join(self.words())

    def show(self) -> None:
        """Prints the line where it is not redrawn."""
        if self._live is None:
            print(self.line(), file=self._stream, flush=True)

    def warn(self, message: str) -> None:
        """Shows a warning, above the live line if there is one."""
        if self._live is not None:
            self._live.console.print(f"warning: {message}", style="yellow", highlight=False)
        else:
            print(f"warning: {message}", file=self._stream, flush=True)

    def _render(self) -> Table:
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=self.total, completed=self.done, width=20), *self.words())
        return row


def clock(seconds: float | None) -> str:
    """A time as H:MM:SS or M:SS."""
    if seconds is None:
        return "-:--"
    hours, rest = divmod(round(seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
