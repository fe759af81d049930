"""The progress of shared weights: one live line on a terminal, a line per epoch elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from rl_nas.report.live_line import LiveLine, clock


class OneShotProgress(LiveLine):
    """Follows the training of shared weights and shows it on standard error. Use it as a context.

    Args:
        epochs: of the whole training.
        start: epochs that were done before.
        stream: where to show it.
    """

    def __init__(self, epochs: int, start: int = 0, stream: TextIO = sys.stderr) -> None:
        super().__init__(stream)
        self._epochs, self._done, self._start, self._began = epochs, start, start, time.monotonic()
        self._figures: Mapping[str, float] = {}

    @property
    def total(self) -> int:
        """Epochs of the whole training."""
        return self._epochs

    @property
    def done(self) -> int:
        """Epochs that were done."""
        return self._done

    def follow(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Takes up the figures of an epoch that is over, the first being 0, and shows the new state."""
        self._done, self._figures = epoch + 1, figures
        self.show()

    def words(self) -> list[str]:
        """Epoch, time left, the figures that are not of single decisions."""
        fresh = self._done - self._start
        left = (time.monotonic() - self._began) / fresh * (self._epochs - self._done) if fresh else None
        figures = [f"{name} {value:.3g}" for name, value in self._figures.items() if "/" not in name]
        return [f"shared weights: epoch {self._done}/{self._epochs}", f"{clock(left)} left", *figures]
