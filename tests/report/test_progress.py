"""Live lines on a terminal, plain ones elsewhere."""

import io
import sys
from typing import Any

import pytest

from rl_nas.report.live_line import clock
from rl_nas.report.one_shot_progress import OneShotProgress
from rl_nas.report.progress import SearchProgress
from rl_nas.report.training_progress import TrainingProgress
from rl_nas.trial import Measurement, Trial, TrialState

MEASUREMENT = Measurement(0.5)


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
    progress = TrainingProgress(steps=40, epochs=4, batch=50, start=10, stream=shown)
    with progress.line:
        time[0] = 110.0
        progress.follow(15, {"loss": 2.0, "accuracy": 0.1})  # ten seconds with the tracing
        time[0] = 111.0
        progress.follow(20, {"loss": 1.5, "accuracy": 0.2})  # five steps in one second
        time[0] = 115.0
        progress.epoch({"loss": 1.5, "accuracy": 0.2, "valid_loss": 1.25, "valid_accuracy": 0.3})
    assert shown.getvalue() == (
        "epoch 2/4  250 images/s  0:30 left  loss 1.5000  accuracy 0.2000  valid loss 1.2500  valid accuracy 0.3000\n"
    )


def test_a_terminal_gets_one_line_that_is_redrawn() -> None:
    shown: Any = Terminal()
    progress = TrainingProgress(steps=4, epochs=2, batch=5, stream=shown)
    with progress.line:
        progress.follow(2, {"loss": 2.0, "accuracy": 0.1})
        progress.epoch({"loss": 2.0, "accuracy": 0.1})
        progress.line.warn("hot [/of a name]")
        progress.epoch({"loss": 1.0, "[/accuracy]": 0.1})  # no markup
    text = shown.getvalue()
    assert "epoch 1/2" in text
    assert "warning: hot [/of a name]" in text
    assert "[/accuracy]" in text
    assert "\x1b[" in text  # moved back and drawn again


@pytest.mark.parametrize(("seconds", "text"), [(None, "-:--"), (0.4, "0:00"), (75, "1:15"), (3661, "1:01:01")])
def test_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


def test_time_left_and_rate_of_a_resumed_search_are_those_of_its_own_children(time: list[float]) -> None:
    shown = io.StringIO()
    trials = [Trial(index, (0,), TrialState.OK, 0.5 + index / 10, MEASUREMENT) for index in range(3)]
    progress = SearchProgress(8, trials[:2], shown, workers=lambda: (1, 2))
    with progress.line:
        progress.line.show()
        time[0] = 190.0
        progress.follow(trials[2], {"entropy": 1.25, "entropy/0": 0.5})
    assert shown.getvalue().splitlines() == [
        "2/8 children  -:-- left  busy 1/2  last 0.6000  best 0.6000  failures 0",
        "3/8 children  7:30 left  40/hour  busy 1/2  last 0.7000  best 0.7000  entropy 1.25  failures 0",
    ]


@pytest.mark.parametrize(
    ("reward", "words"),
    [(0.5, "last mIoU 0.5000  best 0.5000"), (0.125, "last 0.1250 (mIoU 0.5000)  best 0.1250")],
)
def test_the_metric_of_the_task_is_named(reward: float, words: str) -> None:
    measurement = Measurement.of({"mIoU": 0.5, "pixel_accuracy": 0.75})
    progress = SearchProgress(3, [Trial(0, (0,), TrialState.OK, reward, measurement)])
    assert words in "  ".join(progress.words())


def test_a_line_for_each_epoch_of_shared_weights(time: list[float]) -> None:
    shown = io.StringIO()
    progress = OneShotProgress(10, start=4, stream=shown)
    with progress.line:
        progress.line.show()
        time[0] = 130.0
        progress.follow(5, {"loss": 1.5, "entropy/0": 0.5})
    assert shown.getvalue().splitlines() == [
        "shared weights: epoch 4/10  -:-- left",
        "shared weights: epoch 6/10  1:00 left  loss 1.5",
    ]


def test_progress_is_shown_on_the_standard_error_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks and tests replace it, and close the one before."""
    for _ in range(2):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        progress = TrainingProgress(steps=4, epochs=2, batch=1)
        with progress.line:
            progress.follow(2, {"loss": 2.0})
            progress.epoch({"loss": 2.0})
        assert stream.getvalue().startswith("epoch ")
        stream.close()
