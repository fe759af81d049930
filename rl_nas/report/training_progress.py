"""The progress of a training in full: one live line on a terminal, a line per epoch elsewhere."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from rl_nas.report.progress import clock


class TrainingProgress:
    """Follows a training and shows it on standard error. Use it as a context.

    Args:
        steps: of the whole training.
        epochs: of the whole training.
        batch: images of a step.
        start: steps that were done before.
        stream: where to show it.
    """

    def __init__(self, steps: int, epochs: int, batch: int, start: int = 0, stream: TextIO = sys.stderr) -> None:
        self._steps, self._epochs, self._batch, self._stream = steps, epochs, batch, stream
        self._step, self._start, self._began = start, start, time.monotonic()
        self._figures: dict[str, float] = {}
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

    def follow(self, step: int, loss: float, accuracy: float) -> None:
        """Takes up where the training is, and loss and accuracy on the epoch's images so far."""
        self._step = step
        self._figures |= {"loss": loss, "accuracy": accuracy}

    def epoch(self, figures: Mapping[str, float]) -> None:
        """Takes up the figures of an epoch that is over."""
        self._figures = {name: figures[name] for name in ("loss", "accuracy") if name in figures}
        self._figures |= {name: figures[name] for name in ("valid_loss", "valid_accuracy") if name in figures}
        if not self._live.is_started:
            print(self.line(), file=self._stream, flush=True)

    def line(self) -> str:
        """The state of the training in one line."""
        done = self._epochs * self._step // self._steps
        return "  ".join([f"epoch {done}/{self._epochs}", *self._words()])

    def _words(self) -> list[str]:
        words = []
        steps, seconds = self._step - self._start, time.monotonic() - self._began
        if steps:
            words += [
                f"{steps * self._batch / seconds:,.0f} images/s",
                f"{clock(seconds / steps * (self._steps - self._step))} left",
            ]
        return words + [f"{name.replace('_', ' ')} {value:.4f}" for name, value in self._figures.items()]

    def _render(self) -> Table:
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self._steps, completed=self._step, width=20)
        row.add_row(bar, f"epoch {self._epochs * self._step // self._steps}/{self._epochs}", *self._words())
        return row
