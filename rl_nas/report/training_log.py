"""The figures of a training, epoch by epoch: a file of JSON lines, and TensorBoard."""

import io
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from rl_nas.store.files import storage_errors, write_text


class TrainingLog:
    """Writes the figures of epochs, once also where a continued training goes through them again. Use it as a context.

    Args:
        lines: file of JSON lines, one an epoch.
        events: folder for TensorBoard.
        epoch: epochs that are over; what the file says of later ones is dropped.
    """

    def __init__(self, lines: Path, events: Path, epoch: int) -> None:
        self._path = lines
        self.history = [figures for figures in read_history(lines) if figures["epoch"] <= epoch]
        write_text(lines, "".join(json.dumps(figures) + "\n" for figures in self.history))
        with storage_errors(lines):
            self._file = lines.open("a", encoding="utf-8")
            self._events = EventFileWriter(str(events))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with storage_errors(self._path), self._file:
            self._events.close()

    def epoch(self, figures: Mapping[str, float]) -> None:
        """Writes the figures of an epoch; `epoch` and `step` are among them."""
        self.history.append(dict(figures))
        with storage_errors(self._path):
            self._file.write(json.dumps(dict(figures)) + "\n")
            self._file.flush()
            step = int(figures["step"])
            for name, value in figures.items():
                if name not in ("epoch", "step") and math.isfinite(value):
                    self._add(Summary.Value(tag=name, simple_value=value), step)
            self._events.flush()

    def images(self, name: str, images: np.ndarray) -> None:
        """Shows images, float [images, height, width, channels] of 0 to 1, side by side."""
        from matplotlib import image as matplotlib_image  # takes a second

        row = np.repeat(np.concatenate(list(images), axis=1), 3 if images.shape[-1] == 1 else 1, axis=-1)
        png = io.BytesIO()
        matplotlib_image.imsave(png, row)
        height, width = row.shape[:2]
        shown = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png.getvalue())
        with storage_errors(self._path):
            self._add(Summary.Value(tag=name, image=shown), 0)

    def _add(self, value: Summary.Value, step: int) -> None:
        self._events.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))


def read_history(lines: Path) -> list[dict[str, float]]:
    """The epochs that a file tells of; a last line that a kill cut short is left out."""
    if not lines.exists():
        return []
    with storage_errors(lines):
        text = lines.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
