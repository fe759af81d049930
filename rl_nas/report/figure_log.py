"""Figures in a file of JSON lines and in TensorBoard."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from rl_nas.renamed import current_figures
from rl_nas.report.event_log import EventLog
from rl_nas.store.files import open_to_append, storage_errors, write_text
from rl_nas.store.json_files import OTHERS, parse_json, read_text, whole_lines


class FigureLog:
    """Appends lines to a file and figures to TensorBoard. Use it as a context manager.

    Attributes:
        written: figures of the lines at opening, by their present names.
    """

    _FORM: ClassVar[Mapping[str, Any]] = {OTHERS: float}
    _HINT: ClassVar[str] = "restore the file, or start another run"

    def __init__(self, lines: Path, events: Path) -> None:
        """Opens both.

        Args:
            lines: file of JSON lines; a last line that was cut off is dropped.
            events: folder for TensorBoard.

        Raises:
            UsageError: a line is broken.
        """
        self._path = lines
        with storage_errors(lines):
            text = read_text(lines, self._HINT) if lines.exists() else ""
            whole = whole_lines(text)
            if "".join(whole) != text:
                write_text(lines, "".join(whole))
            self.written: list[dict[str, Any]] = [
                current_figures(parse_json(line, self._FORM, lines, self._HINT)) for line in whole
            ]
            self._file = open_to_append(lines)
            self._events = EventLog(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with storage_errors(self._path), self._file:
            self._events.close()

    def _keep(self, count: int) -> None:
        """Drops the lines after the first `count`."""
        self._file.close()
        self.written = self.written[:count]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in self.written))
        with storage_errors(self._path):
            self._file = open_to_append(self._path)

    def _line(self, figures: Mapping[str, float]) -> None:
        self.written.append(dict(figures))
        with storage_errors(self._path):
            self._file.write(json.dumps(dict(figures)) + "\n")
            self._file.flush()

    def _scalars(self, figures: Mapping[str, float], step: int) -> None:
        with storage_errors(self._path):
            self._events.scalars(figures, step)

    def _image(self, name: str, row: np.ndarray) -> None:
        """Writes an image, float [height, width, 3] of 0 to 1."""
        from matplotlib import image as matplotlib_image  # takes a second

        png = io.BytesIO()
        matplotlib_image.imsave(png, row)
        with storage_errors(self._path):
            self._events.png(name, png.getvalue())
