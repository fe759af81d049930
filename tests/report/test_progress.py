"""Live lines on a terminal, plain ones elsewhere; forecasts."""

import io
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from rl_nas.report.durations import about, clock
from rl_nas.report.heartbeat import Heartbeat, working
from rl_nas.report.live_line import LiveLine
from rl_nas.report.one_shot_progress import OneShotProgress
from rl_nas.report.progress import Hours, SearchProgress
from rl_nas.report.training_progress import TrainingProgress
from rl_nas.trial import ChildProgress, Measurement, Trial, TrialState

MEASUREMENT = Measurement(0.5)
TRIALS = [Trial(index, (0,), TrialState.OK, 0.5, MEASUREMENT) for index in range(8)]


@dataclass
class Workers:
    """Workers that do what a test says."""

    workers: tuple[int, int] = (1, 2)
    running: Sequence[ChildProgress] = ()
    began: float | None = None


@dataclass
class Taken:
    """The time that a run has taken."""

    seconds: float


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
        progress.follow(20, {"loss": 1.5, "accuracy": 0.2}, waited=0.25)  # five steps in one second
        time[0] = 115.0
        progress.epoch({"loss": 1.5, "accuracy": 0.2, "valid_loss": 1.25, "valid_accuracy": 0.3})
    assert shown.getvalue() == (
        "epoch 2/4  250 images/s  waiting for images 25%  0:30 left  loss 1.5000  accuracy 0.2000  valid loss 1.2500"
        "  valid accuracy 0.3000\n"
        "time: about 30 s for the remaining 20 steps at this rate\n"
    )


def test_a_training_tells_its_time_within_the_first_epoch_if_that_is_long(time: list[float]) -> None:
    shown = io.StringIO()
    progress = TrainingProgress(steps=90_000, epochs=90, batch=50, stream=shown)
    with progress.line:
        for step, now in ((10, 200.0), (20, 210.0), (40, 230.0), (50, 240.0)):  # a second a step after the tracing
            time[0] = now
            progress.follow(step, {"loss": 2.0})
        progress.epoch({"loss": 2.0})
    first, *others = shown.getvalue().splitlines()
    assert first == "time: about 25.0 hours for 90 epochs at this rate"
    assert not any(line.startswith("time: ") for line in others)
    assert progress.now() == ["step 50/90,000"]


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
    progress = SearchProgress(8, trials[:2], shown, Workers())
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


def test_accuracies_say_on_how_many_images_and_of_few_how_certain_they_are() -> None:
    trials = [
        Trial(index, (0,), TrialState.OK, accuracy, Measurement.of({"accuracy": accuracy}))
        for index, accuracy in enumerate((0.9, 0.8))
    ]
    few, many = (SearchProgress(3, trials, images=images).words() for images in (40, 5000))
    assert few[2:5] == [
        "last accuracy 0.8000 (95%: 0.6524 to 0.8950)",
        "best 0.9000 (95%: 0.7695 to 0.9604)",
        "on 40 images",
    ]
    assert many[2:5] == ["last accuracy 0.8000", "best 0.9000", "on 5,000 images"]
    cubed = Trial(0, (0,), TrialState.OK, 0.729, Measurement.of({"accuracy": 0.9}))
    words = SearchProgress(3, [cubed], images=40).words()
    assert words[2:4] == ["last 0.7290 (accuracy 0.9000 (95%: 0.7695 to 0.9604))", "best 0.7290"]


def test_a_training_says_on_how_many_held_out_images() -> None:
    progress = TrainingProgress(steps=4, epochs=2, batch=5, images=40)
    progress.epoch({"accuracy": 0.95, "valid_accuracy": 0.9, "valid_loss": 0.5})
    assert progress.words()[-3:] == [
        "accuracy 0.9500",
        "valid accuracy 0.9000 (95%: 0.7695 to 0.9604) on 40 images",
        "valid loss 0.5000",
    ]


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


def test_shared_weights_tell_their_time_after_an_epoch_and_their_step(time: list[float]) -> None:
    shown = io.StringIO()
    progress = OneShotProgress(10, stream=shown)
    with progress.line:
        progress.doing("step 3/4")
        assert progress.now() == ["step 3/4"]
        for epoch, now in ((0, 160.0), (1, 220.0)):
            time[0] = now
            progress.follow(epoch, {"loss": 1.5})
    times = [line for line in shown.getvalue().splitlines() if line.startswith("time: ")]
    assert times == ["time: about 9 min for the remaining 9 epochs at this rate"]
    assert progress.now() == []


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.6, "about 5 s"), (840, "about 14 min"), (5400, "about 1.5 hours"), (200_000, "about 2.3 days")],
)
def test_forecasts_in_words(seconds: float, text: str) -> None:
    assert about(seconds) == text


def told(progress: SearchProgress, trials: Sequence[Trial], time: list[float], seconds: float) -> list[str]:
    """The lines about time when a trial comes every so many seconds."""
    shown = progress.line._stream = io.StringIO()  # type: ignore[assignment]
    with progress.line:
        for trial in trials:
            time[0] += seconds
            progress.follow(trial, {})
    return [line for line in shown.getvalue().splitlines() if line.startswith("time: ")]


def test_after_the_first_children_the_time_of_the_whole_is_told_once_without_the_start_of_workers(
    time: list[float],
) -> None:
    activity = Workers((2, 2))
    progress = SearchProgress(20, activity=activity)
    time[0] += 1000.0
    activity.began = time[0]
    assert told(progress, TRIALS, time, 42.0) == ["time: about 14 min for 20 children at this rate"]
    assert progress.words()[1] == "8:24 left"


def test_a_resumed_search_tells_the_time_of_the_rest(time: list[float]) -> None:
    progress = SearchProgress(12, TRIALS[:2])
    assert told(progress, TRIALS[2:], time, 60.0) == ["time: about 8 min for the remaining 8 children at this rate"]


def test_the_time_of_batches_that_end_as_a_whole_is_told_after_one(time: list[float]) -> None:
    assert told(SearchProgress(12, batch=6), TRIALS[:5], time, 60.0) == []
    (line,) = told(SearchProgress(12, batch=6), TRIALS[:6], time, 60.0)
    assert line == "time: about 12 min for 12 children at this rate"


@pytest.mark.parametrize(
    ("total", "line"),
    [
        (None, "time: --max_hours=2: about 121 children at this rate"),
        (1000, "time: --max_hours=2: about 121 children at this rate"),
        (20, "time: about 20 min for 20 children at this rate"),
    ],
)
def test_the_children_that_fit_into_the_hours_are_told(time: list[float], total: int | None, line: str) -> None:
    taken = Taken(60.0)
    progress = SearchProgress(total, hours=Hours(2, taken))
    assert told(progress, TRIALS[:2], time, 60.0) == [line]


def test_a_search_by_hours_shows_the_time_that_is_left(time: list[float]) -> None:
    taken = Taken(0.0)
    progress = SearchProgress(None, TRIALS[:3], hours=Hours(2, taken))
    assert progress.words()[:2] == ["3 children", "2:00:00 left"]
    taken.seconds = 5400.0
    assert progress.words()[1] == "30:00 left"
    assert progress.fraction == 0.75
    taken.seconds = 9000.0
    assert progress.fraction == 1


def test_the_epochs_of_children_at_work_are_shown() -> None:
    activity = Workers(running=[ChildProgress(4, 2, 6), ChildProgress(3)])
    progress = SearchProgress(10, TRIALS[:3], activity=activity)
    assert progress.now() == ["workers are starting"]
    activity.began = 5.0
    assert progress.now() == ["trial 3: begun", "trial 4: epoch 2/6"]
    assert progress.fraction == pytest.approx((3 + 2 / 6) / 10)
    activity.running = [ChildProgress(index, index, 9) for index in range(2, 8)] + [ChildProgress(9)]
    assert progress.now() == ["epochs 2 to 7 of 9", "1 child begun"]
    progress.rung = "rung 1/3: 4/9 children"
    assert progress.now()[0] == "rung 1/3: 4/9 children"
    assert progress.fraction == 0.3  # children of a rung are not done when it is


class Awaited(io.StringIO):
    """An output, and an event for what is expected in it."""

    def __init__(self, expected: str) -> None:
        super().__init__()
        self.expected, self.met = expected, threading.Event()

    def flush(self) -> None:
        if self.expected in self.getvalue():
            self.met.set()


def test_a_log_gets_lines_while_nothing_happens() -> None:
    shown = Awaited("epoch 3/6")
    activity = Workers(running=[ChildProgress(0, 3, 6)], began=0.0)
    progress = SearchProgress(2, activity=activity)
    with LiveLine(progress, shown, every=0.0):
        shown.met.wait()
    first, *_ = shown.getvalue().splitlines()
    assert first == "still 0/2 children  -:-- left  busy 1/2  best -  failures 0  trial 0: epoch 3/6"


def test_something_that_takes_long_is_told_more_than_once(time: list[float]) -> None:
    shown = Awaited("data: reading 9 images (0:00)\ndata: reading 9 images (0:00)\n")
    with working("data: reading 9 images", shown, first=0.0, every=0.0):
        shown.met.wait()
    with working("data: reading 9 images", quick := io.StringIO()):
        pass
    assert quick.getvalue() == ""


def test_a_closed_output_ends_the_lines_and_nothing_else() -> None:
    tried = threading.Event()

    def tell() -> None:
        tried.set()
        raise BrokenPipeError

    with Heartbeat(tell, first=0.0) as heartbeat:
        tried.wait()
        heartbeat.happened()
