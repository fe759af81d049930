"""A followed search: trials go there, answers come back, and nothing breaks when nobody follows."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rl_nas
from rl_nas.errors import UsageError
from rl_nas.plugins import plugin_name
from rl_nas.trial import Failure, Measurement, Trial, TrialState
from rl_nas.workflows.followed import Follower, answer, checked_callbacks, lines_of

GOOD = Trial(0, (1, 2), TrialState.OK, 0.5, Measurement(0.5, {"accuracy": 0.5, "loss": 1.0}, parameters=7, seconds=0.1))
BAD = Trial(1, (0, 0), TrialState.NAN, failures=(Failure(TrialState.NAN, "the loss is nan", "its log"),))


@contextmanager
def followed(*callbacks: Any) -> Iterator[Follower]:
    """A search whose trials a thread answers, as `rl_nas.fit` does in its main thread."""
    ours, theirs = socket.socketpair()
    called = checked_callbacks(callbacks)

    def serve() -> None:
        for _, line in lines_of({ours.fileno(): b""}):
            answer(ours, line, called)

    with ours, closing(Follower(theirs.detach())) as follower:
        thread = threading.Thread(target=serve)
        thread.start()
        yield follower
        follower.close()
        thread.join()


def test_callbacks_are_told_every_new_trial_as_it_is() -> None:
    told: list[Trial] = []
    with followed(told.append, told.append) as follower:
        for trial in (GOOD, BAD, Trial(0, (2, 1), GOOD.state, 0.5, GOOD.measurement, cached=True)):
            follower.trial(trial, {})
        assert not follower.stopped
    assert told == [GOOD, GOOD, BAD, BAD]


class Patience:
    """Ends a search at a reward."""

    def on_trial_end(self, trial: Trial) -> bool:
        return (trial.reward or 0) >= 0.5


@pytest.mark.parametrize(
    ("callback", "stops"),
    [
        (Patience(), True),
        (lambda trial: np.bool_(True), True),
        (lambda trial: "a text is no answer", False),
        (lambda trial: 1, False),
        (lambda trial: False, False),
    ],
)
def test_only_true_ends_the_search(callback: Any, stops: bool) -> None:
    with followed(callback, lambda trial: None) as follower:
        follower.trial(GOOD, {})
        assert follower.stopped is stops


def test_a_callback_that_fails_or_is_interrupted_leaves_no_search_waiting() -> None:
    for error in (LookupError(), KeyboardInterrupt(), SystemExit()):
        ours, theirs = socket.socketpair()
        with ours, theirs:

            def callback(trial: Trial, error: BaseException = error) -> None:
                raise error

            line = json.dumps({**asdict(BAD), "measurement": None})
            if isinstance(error, Exception):
                assert answer(ours, line, [callback]) is error
            else:
                with pytest.raises(type(error)):
                    answer(ours, line, [callback])
            assert theirs.recv(100) == b"stop\n"


def test_a_search_that_was_ended_by_a_callback_goes_on_as_if_it_had_not_been() -> None:
    space = rl_nas.nasnet(1)

    def search(store: rl_nas.TrialStore, *callbacks: Any) -> list[rl_nas.Architecture]:
        executor = rl_nas.InlineExecutor(lambda job: float(np.mean(job.architecture)))
        settings: dict[str, Any] = {
            "reward": lambda measurement: measurement.quality,
            "trials": 12,
            "batch_size": 4,
            "seed": 0,
        }
        with followed(*callbacks) as follower:
            strategy = rl_nas.RandomSearch(space, 0)
            rl_nas.search(strategy, executor, store, watcher=follower, stop=lambda: follower.stopped, **settings)
        return [trial.architecture for trial in store.trials()]

    with rl_nas.TrialStore(Path(":memory:")) as whole, rl_nas.TrialStore(Path(":memory:")) as parted:
        expected = search(whole)
        assert search(parted, lambda trial: trial.index == 6) == expected[:7]
        assert search(parted) == expected


def test_a_search_that_nobody_follows_any_more_goes_on() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with closing(Follower(theirs.detach())) as follower:
        for trial in (GOOD, BAD):
            follower.trial(trial, {})
        assert not follower.stopped


def test_lines_of_several_descriptors_survive_an_interrupt() -> None:
    (one, to_one), (two, to_two) = os.pipe(), os.pipe()
    os.write(to_one, b"first\nsec")
    rests = {one: b"", two: b""}
    assert next(iter(lines_of(rests))) == (one, "first")  # and is left, as by an exception
    os.write(to_one, b"ond\nwithout an end")
    os.write(to_two, b"\xff\n")
    os.close(to_one)
    os.close(to_two)
    found = list(lines_of(rests))
    assert [line for source, line in found if source == one] == ["second", "without an end"]
    assert [line for source, line in found if source == two] == ["\ufffd"]
    os.close(one)
    os.close(two)


@pytest.mark.parametrize("given", ["early_stopping", 5, [object()]])
def test_other_callbacks_are_refused(given: Any) -> None:
    with pytest.raises(UsageError, match=r"expected functions of a finished trial, or objects with on_trial_end\(tri"):
        checked_callbacks(given)


def test_only_what_other_processes_can_import_has_a_name() -> None:
    assert plugin_name("reward", np.mean) == "numpy:mean"

    def local() -> None: ...

    for nameless in (local, lambda: None, 5, np.arange(3)):
        with pytest.raises(UsageError, match=r"which the processes of a search cannot import; put it into a module"):
            plugin_name("reward", nameless)
