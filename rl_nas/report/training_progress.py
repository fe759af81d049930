"""The progress of a training in full: one live line on a terminal, a line per epoch elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from rl_nas.report.live_line import LiveLine, clock

_SHOWN = ("loss", "accuracy", "valid_loss", "valid_accuracy")


class TrainingProgress(LiveLine):
    """Follows a training and shows it on standard error. Use it as a context.

    Args:
        steps: of the whole training.
        epochs: of the whole training.
        batch: images of a step.
        start: steps that were done before.
        stream: where to show it.
    """

    def __init__(self, steps: int, epochs: int, batch: int, start: int = 0, stream: TextIO = sys.stderr) -> None:
        super().__init__(stream)
        self._steps, self._epochs, self._batch = steps, epochs, batch
        self._step, self._start, self._began = start, start, time.monotonic()
        self._last: float | None = None  # when the step before was taken, if nothing else came between
        self._timed_steps, self._timed_seconds = 0, 0.0
        self._figures: dict[str, float] = {}

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self._steps

    @property
    def done(self) -> int:
        """Steps that were taken."""
        return self._step

    def follow(self, step: int, loss: float, accuracy: float) -> None:
        """Takes up where the training is, and loss and accuracy on the epoch's images so far."""
        now = time.monotonic()
        if self._last is not None:
            self._timed_steps += step - self._step
            self._timed_seconds += now - self._last
        self._step, self._last = step, now
        self._figures |= {"loss": loss, "accuracy": accuracy}

    def epoch(self, figures: Mapping[str, float]) -> None:
        """Takes up the figures of an epoch that is over and shows the new state."""
        self._last = None
        self._figures |= {name: figures[name] for name in _SHOWN if name in figures}
        self.show()

    def words(self) -> list[str]:
        """Epoch, speed, time left, losses and accuracies."""
        words = [f"epoch {self._epochs * self._step // self._steps}/{self._epochs}"]
        steps, seconds = self._step - self._start, time.monotonic() - self._began
        if steps:
            left = clock(seconds / steps * (self._steps - self._step))
            # Without tracing and measuring, once there are steps that follow another.
            timed, took = (self._timed_steps, self._timed_seconds) if self._timed_steps else (steps, seconds)
            words += [f"{timed * self._batch / took:,.0f} images/s", f"{left} left"]
        return words + [f"{name.replace('_', ' ')} {value:.4f}" for name, value in self._figures.items()]
