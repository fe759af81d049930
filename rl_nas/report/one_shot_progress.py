"""The progress of training shared weights: one live line on a terminal, a line per epoch elsewhere."""

from collections.abc import Mapping
from typing import TextIO

from rl_nas.report.durations import Pace, about
from rl_nas.report.live_line import LiveLine, figure_words
from rl_nas.report.tables import counted


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
        self._doing = ""

    @property
    def fraction(self) -> float:
        """The part of the epochs that is done."""
        return self.done / self.total

    def follow(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Notes the figures of a complete epoch, counted from 0, and shows the new state."""
        self.done, self._figures, self._doing = epoch + 1, figures, ""
        self.line.show()
        seconds, left = self._pace.seconds_each(self.done), self.total - self.done
        if seconds is not None and self._pace.fresh(self.done) == 1 and left:
            self.line.tell(f"time: {about(left * seconds)} for the remaining {counted(left, 'epoch')} at this rate")

    def doing(self, what: str) -> None:
        """Notes what is being done in the epoch, such as `step 3/40`."""
        self._doing = what

    def words(self) -> list[str]:
        """Epoch, time left, figures except those of single decisions."""
        epoch = f"shared weights: epoch {self.done}/{self.total}"
        return [epoch, self._pace.left(self.done, self.total), *figure_words(self._figures)]

    def now(self) -> list[str]:
        """The step in the epoch."""
        return [self._doing] if self._doing else []
