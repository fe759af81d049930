"""The figures of a training, epoch by epoch: a file of JSON lines, and TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rl_nas.report.figure_log import FigureLog
from rl_nas.store.json_files import OTHERS


class TrainingLog(FigureLog):
    """Writes the figures of epochs, once even if a continued training repeats them. Use it as a context manager.

    Args:
        lines: file of JSON lines, one an epoch.
        events: folder for TensorBoard.
        epoch: number of complete epochs; lines of later ones are dropped.
    """

    _FORM: ClassVar[Mapping[str, Any]] = {"epoch": int, "step": int, "seconds": float, OTHERS: float}

    def __init__(self, lines: Path, events: Path, epoch: int) -> None:
        super().__init__(lines, events)
        self._keep(sum(figures["epoch"] <= epoch for figures in self.written))

    def epoch(self, figures: Mapping[str, float]) -> None:
        """Writes the figures of an epoch; `epoch` and `step` are among them."""
        self._line(figures)
        step = int(figures["step"])
        self._scalars({name: value for name, value in figures.items() if name not in ("epoch", "step")}, step)

    def images(self, name: str, images: np.ndarray) -> None:
        """Writes images, float [images, height, width, channels] of 0 to 1, side by side."""
        row = np.concatenate(list(images), axis=1)
        self._image(name, np.repeat(row, 3, axis=-1) if row.shape[-1] == 1 else row)
