"""The figures of a strategy's health, update by update: a file of JSON lines, and TensorBoard."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from rl_nas.store.files import storage_errors
from rl_nas.trial import Trial


class HealthLog:
    """Writes figures once, also where a run is continued and goes through its earlier updates again.

    Use it as a context.

    Args:
        lines: file of JSON lines, one an update.
        events: folder for TensorBoard: figures against updates, rewards against trials.
    """

    def __init__(self, lines: Path, events: Path) -> None:
        self._path = lines
        with storage_errors(lines):
            written = lines.read_text(encoding="utf-8").splitlines(keepends=True) if lines.exists() else []
            if written and not written[-1].endswith("\n"):
                lines.write_text("".join(written := written[:-1]), encoding="utf-8")  # a kill cut the last one
            self._next = len(written)
            self._file = lines.open("a", encoding="utf-8")
            self._events = EventFileWriter(str(events))
        self._best = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with storage_errors(self._path), self._file:
            self._events.close()

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """Writes the figures after update `number`, unless they are written already."""
        if number < self._next:
            return
        self._next = number + 1
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        with storage_errors(self._path):
            self._file.write(json.dumps({"update": number, **finite}) + "\n")
            self._file.flush()
        self._scalars("health", finite, number)

    def trial(self, trial: Trial) -> None:
        """Writes the reward of a recorded trial, and the best so far."""
        if trial.reward is not None and not trial.cached:
            self._best = max(self._best, trial.reward)
            self._scalars("trials", {"reward": trial.reward, "best": self._best}, trial.index)

    def restore(self, trials: list[Trial]) -> None:
        """Takes up the best of the trials of a run that is continued."""
        self._best = max((t.reward for t in trials if t.reward is not None), default=-math.inf)

    def _scalars(self, group: str, figures: Mapping[str, float], step: int) -> None:
        values = [Summary.Value(tag=f"{group}/{name}", simple_value=value) for name, value in figures.items()]
        with storage_errors(self._path):
            self._events.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
