"""Live lines on a terminal, plain ones elsewhere."""

import io
from typing import Any

import pytest

from rl_nas.report.live_line import clock
from rl_nas.report.training_progress import TrainingProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, to be set."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_line_for_each_epoch(time: list[float]) -> None:
    shown = io.StringIO()
    with TrainingProgress(steps=40, epochs=4, batch=50, start=10, stream=shown) as progress:
        time[0] = 110.0
        progress.follow(15, 2.0, 0.1)  # ten seconds with the tracing
        time[0] = 111.0
        progress.follow(20, 1.5, 0.2)  # five steps in one second
        time[0] = 115.0
        progress.epoch({"loss": 1.5, "accuracy": 0.2, "valid_loss": 1.25, "valid_accuracy": 0.3, "seconds": 15.0})
    assert shown.getvalue() == (
        "epoch 2/4  250 images/s  0:30 left  loss 1.5000  accuracy 0.2000  valid loss 1.2500  valid accuracy 0.3000\n"
    )


def test_a_terminal_gets_one_line_that_is_redrawn() -> None:
    shown: Any = Terminal()
    with TrainingProgress(steps=4, epochs=2, batch=5, stream=shown) as progress:
        progress.follow(2, 2.0, 0.1)
        progress.epoch({"loss": 2.0, "accuracy": 0.1})
        progress.warn("hot")
    text = shown.getvalue()
    assert "epoch 1/2" in text
    assert "warning: hot" in text
    assert "\x1b[" in text  # moved back and drawn again


@pytest.mark.parametrize(("seconds", "text"), [(None, "-:--"), (0.4, "0:00"), (75, "1:15"), (3661, "1:01:01")])
def test_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text
