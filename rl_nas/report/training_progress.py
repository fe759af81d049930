"""The progress of full training: one live line on a terminal, a line per epoch elsewhere."""

import time
from collections.abc import Mapping
from typing import TextIO

from rl_nas.metrics import HELD_OUT, PROPORTIONS
from rl_nas.report.durations import Pace, about
from rl_nas.report.live_line import LiveLine
from rl_nas.report.tables import counted, measured_text

_SHOWN = 0.01
"""Least part of the time that is told of."""

_ENOUGH = 30.0
"""Seconds of train steps after which the time of the whole is forecast, within an epoch too."""


class TrainingProgress:
    """The state of a training, in words.

    Attributes:
        total: train steps of the whole training.
        done: train steps taken.
        line: its display, a context manager.
    """

    def __init__(
        self, steps: int, epochs: int, batch: int, start: int = 0, stream: TextIO | None = None, images: int = 0
    ) -> None:
        """Starts at the training's first step.

        Args:
            steps: train steps of the whole training.
            epochs: of the whole training.
            batch: images of a train step.
            start: train steps that were done before.
            stream: where to show it; None: the standard error.
            images: held out, that the network is measured on; 0: unknown.
        """
        self.total, self.done = steps, start
        self.line = LiveLine(self, stream)
        self._epochs, self._batch, self._pace, self._images = epochs, batch, Pace(start), images
        self._last: float | None = None  # time of the last step, if nothing else came between
        self._timed_steps, self._timed_seconds, self._waited = 0, 0.0, 0.0
        self._figures: dict[str, float] = {}
        self._foretold = False

    @property
    def fraction(self) -> float:
        """The part of the train steps that is done."""
        return self.done / self.total

    def follow(self, step: int, figures: Mapping[str, float], waited: float = 0.0) -> None:
        """Notes train steps.

        Args:
            step: the last one's number.
            figures: on the epoch's images so far.
            waited: seconds in which they waited for images.
        """
        now = time.monotonic()
        if self._last is not None:
            self._timed_steps += step - self.done
            self._timed_seconds += now - self._last
            self._waited += waited
        self.done, self._last = step, now
        self._figures = {**self._figures, **figures}
        if self._timed_seconds >= _ENOUGH:
            self._foretell(self._timed_seconds / self._timed_steps)

    def epoch(self, figures: Mapping[str, float]) -> None:
        """Notes the figures of a complete epoch, those on held-out images too, and shows the new state."""
        self._last = None
        self._figures = {**self._figures, **figures}
        self.line.show()
        if (seconds := self._pace.seconds_each(self.done)) is not None:
            self._foretell(seconds)

    def words(self) -> list[str]:
        """Epoch, speed, the part of the time that is spent on waiting for images, time left, figures."""
        words = [f"epoch {self._epochs * self.done // self.total}/{self._epochs}"]
        seconds = self._pace.seconds_each(self.done)
        if seconds:
            if self._timed_steps:  # only steps that follow another one: without tracing and measuring
                seconds = self._timed_seconds / self._timed_steps
            words.append(f"{self._batch / seconds:,.0f} images/s")
            if self._timed_steps and self._waited >= _SHOWN * self._timed_seconds:
                words.append(f"waiting for images {self._waited / self._timed_seconds:.0%}")
            words.append(self._pace.left(self.done, self.total))
        return words + [self._figure(name, value) for name, value in self._figures.items()]

    def now(self) -> list[str]:
        """The train step."""
        return [f"step {self.done:,}/{self.total:,}"]

    def _figure(self, name: str, value: float) -> str:
        """A figure; a fraction of the held-out images with their number, and with its interval if they are few."""
        metric = name.removeprefix(HELD_OUT)
        if name == metric or metric not in PROPORTIONS or not self._images:
            return f"{name.replace('_', ' ')} {value:.4f}"
        return f"valid {measured_text(metric, value, self._images)} on {counted(self._images, 'image')}"

    def _foretell(self, seconds_each: float) -> None:
        """Tells once what the training takes, or the rest of one that is continued."""
        if self._foretold or self.done == self.total:
            return
        self._foretold = True
        fresh = self._pace.fresh(self.done)
        steps, what = self.total, counted(self._epochs, "epoch")
        if fresh < self.done:
            steps, what = self.total - self.done, f"the remaining {counted(self.total - self.done, 'step')}"
        self.line.tell(f"time: {about(steps * seconds_each)} for {what} at this rate")
