"""The progress of training shared weights: one live line on a terminal, a line per epoch elsewhere."""

from collections.abc import Mapping
from typing import TextIO

from rl_nas.report.live_line import LiveLine, Pace, figure_words


class OneShotProgress:
    """The state of the training of shared weights, in words.

    Attributes:
        total: epochs of the whole training.
        done: complete epochs.
        line: its display, a context manager.
    """

    def __init__(self, epochs: int, start: int = 0, stream: TextIO | None = None) -> None:
        """Starts at the training's first epoch.

        Args:
            epochs: of the whole training.
            start: epochs that were done before.
            stream: where to show it; None: the standard error.
        """
        self.total, self.done = epochs, start
        self.line = LiveLine(self, stream)
        self._pace = Pace(start)
        self._figures: Mapping[str, float] = {}

    def follow(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Notes the figures of a complete epoch, counted from 0, and shows the new state."""
        self.done, self._figures = epoch + 1, figures
        self.line.show()

    def words(self) -> list[str]:
        """Epoch, time left, figures except those of single decisions."""
        epoch = f"shared weights: epoch {self.done}/{self.total}"
        return [epoch, self._pace.left(self.done, self.total), *figure_words(self._figures)]
