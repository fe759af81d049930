"""Figures, pictures and distributions for TensorBoard."""

import io
import itertools
import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.summary.writer.record_writer import RecordWriter

_NUMBERS = itertools.count()
"""Of files of this process: some begin in the same second."""


class EventLog:
    """Writes events to a new file in a folder for TensorBoard, each at once. Use it as a context manager.

    Unlike TensorBoard's `EventFileWriter` it has no thread, and a full disk is an `OSError` where it is met.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = int(time.time()), socket.gethostname(), os.getpid(), next(_NUMBERS)
        self._file = (folder / "events.out.tfevents.{:010d}.{}.{}.{}".format(*names)).open("xb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def scalars(self, figures: Mapping[str, float], step: int) -> None:
        """Writes the finite ones of some figures, by tag."""
        finite = {tag: value for tag, value in figures.items() if math.isfinite(value)}
        self.values([Summary.Value(tag=tag, simple_value=value) for tag, value in finite.items()], step)

    def png(self, tag: str, png: bytes, step: int = 0) -> None:
        """Writes an image, the content of a PNG file."""
        with Image.open(io.BytesIO(png)) as image:
            width, height, channels = *image.size, len(image.getbands())
        shown = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
        self.values([Summary.Value(tag=tag, image=shown)], step)

    def distributions(self, distributions: Mapping[str, Sequence[float]], step: int) -> None:
        """Writes distributions over numbered choices, by tag: histograms with a bar from n to n + 1 for choice n."""
        self.values([Summary.Value(tag=tag, histo=_histogram(bars)) for tag, bars in distributions.items()], step)

    def values(self, values: Sequence[Summary.Value], step: int) -> None:
        """Writes values of any kind."""
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()


def _histogram(bars: Sequence[float]) -> HistogramProto:
    middles = [number + 0.5 for number in range(len(bars))]
    pairs = list(zip(bars, middles, strict=True))
    return HistogramProto(
        min=0,
        max=len(bars),
        num=sum(bars),
        sum=sum(bar * middle for bar, middle in pairs),
        sum_squares=sum(bar * middle**2 for bar, middle in pairs),
        bucket_limit=[number + 1 for number in range(len(bars))],
        bucket=bars,
    )
