"""A search that the process which started it follows: it tells each trial there, and is answered whether to go on."""

import json
import os
import selectors
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.execution.messages import outcome_from_json, outcome_to_json
from rl_nas.loops.updates import Watcher
from rl_nas.trial import Job, Outcome, Trial, TrialState

Callback = Callable[[Trial], Any]
"""Is told of a trial; whether the search shall end, if it returns True."""

_STOP, _GO = b"stop\n", b"go\n"
_PART = 2**16
_ON_TRIAL_END = "on_trial_end"


class Follower(Watcher):
    """The end of the search.

    Args:
        descriptor: of its socket.

    Attributes:
        stopped: whether the search shall end.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._answers = self._socket.makefile("rb")
        self._follows, self.stopped = True, False

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """Tells a new trial, and waits for the answer; nothing if the other process is gone."""
        if trial.cached or not self._follows:
            return
        try:
            self._socket.sendall(json.dumps(_to_json(trial)).encode() + b"\n")
            answer = self._answers.readline()
        except OSError:
            answer = b""
        self._follows, self.stopped = bool(answer), self.stopped or answer == _STOP

    def close(self) -> None:
        """Ends the connection."""
        self._answers.close()
        self._socket.close()


def answer(connection: socket.socket, line: str, callbacks: Sequence[Callback]) -> Exception | None:
    """Answers a line of a followed search by what callbacks say of its trial.

    Args:
        connection: to the search.
        line: that it sent.
        callbacks: are called in their order; if one fails, the search ends, and the others are not called.

    Returns:
        The exception of a callback.
    """
    trial, stops, failed = _from_json(json.loads(line)), True, None
    try:
        stops = True in [_is_true(callback(trial)) for callback in callbacks]  # all are called
    except Exception as error:  # the user's own
        failed = error
    finally:
        connection.sendall(_STOP if stops else _GO)
    return failed


def checked_callbacks(callbacks: Any) -> list[Callback]:
    """The functions that are called with each trial.

    Args:
        callbacks: functions, or objects with a method `on_trial_end`; one or several; None: none.

    Raises:
        UsageError: something else is among them.
    """
    given = [] if callbacks is None else callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    found = [getattr(one, _ON_TRIAL_END, one) for one in given]
    for one, function in zip(given, found, strict=True):
        if not callable(function):
            raise UsageError(
                f"callbacks has an object of {type(one).__name__}; expected functions of a finished trial, or objects"
                f" with {_ON_TRIAL_END}(trial). Children train without Keras's loop, and so without its callbacks:"
                " early_stop_rule ends them early"
            )
    return found


def lines_of(rests: dict[int, bytes]) -> Iterator[tuple[int, str]]:
    """Lines that arrive at several descriptors, each with that of its own, until all have ended.

    Args:
        rests: descriptor -> what has arrived of its next line; kept up to date, so that another call goes on after an
            interrupt. Those that have ended are removed.
    """
    with selectors.DefaultSelector() as waiting:
        for descriptor in rests:
            waiting.register(descriptor, selectors.EVENT_READ)
        while rests:
            for key, _ in waiting.select():
                part = _read(key.fd)
                *lines, rests[key.fd] = (rests[key.fd] + part).split(b"\n")
                if not part:
                    waiting.unregister(key.fd)
                    lines += [rest] if (rest := rests.pop(key.fd)) else []
                for line in lines:
                    yield key.fd, line.decode(errors="replace")


def _read(descriptor: int) -> bytes:
    """What has arrived; nothing at the end."""
    try:
        return os.read(descriptor, _PART)
    except ConnectionError:
        return b""


def _is_true(said: Any) -> bool:
    """Whether a callback has returned True, not whatever else functions return."""
    return isinstance(said, (bool, np.bool_)) and bool(said)


def _to_json(trial: Trial) -> dict[str, Any]:
    job = Job(trial.index, trial.architecture, 0)
    named = {"index": trial.index, "architecture": trial.architecture, "state": trial.state, "reward": trial.reward}
    return named | outcome_to_json(Outcome(job, trial.measurement, trial.failures))


def _from_json(document: Mapping[str, Any]) -> Trial:
    job = Job(document["index"], tuple(document["architecture"]), 0)
    outcome, state = outcome_from_json(job, document), TrialState(document["state"])
    return Trial(job.index, job.architecture, state, document["reward"], outcome.measurement, outcome.failures)
