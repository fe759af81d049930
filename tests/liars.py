"""Evaluators whose children say what is no measurement: the first choice of an architecture says which."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from rl_nas.execution.attempt import Evaluator
from rl_nas.trial import ChildError, Job, Measurement, TrialState

GOOD = Measurement.of({"accuracy": 0.5, "loss": 1.0}, parameters=10, madds=20, epochs=1, seconds=0.5)


class UnspeakableError(Exception):
    """An exception that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("not even its name")

    __repr__ = __str__


class Unreadable(Measurement):
    """A measurement whose figures cannot be read."""

    @property
    def seconds(self) -> float:
        raise RuntimeError("no seconds")

    @seconds.setter
    def seconds(self, value: float) -> None:
        pass


def raises(error: Exception) -> NoReturn:
    raise error


def stateless() -> NoReturn:
    error = ChildError(TrialState.NAN, "an odd state")
    del error.state
    raise error


LIES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "a lone surrogate": (lambda: raises(ValueError("a \ud800 b")), "crashed", r"ValueError: a \ud800 b"),
    "an escape": (lambda: raises(ValueError("\x1b[2J")), "crashed", r"ValueError: \x1b[2J"),
    "a long story": (lambda: raises(ValueError("x" * 10**6)), "crashed", "ValueError: xxxxxxxxxx"),
    "a broken __str__": (lambda: raises(UnspeakableError()), "crashed", "UnspeakableError"),
    "ChildError(ok)": (lambda: raises(ChildError(TrialState.OK, "fine")), "crashed", "it failed with state"),
    "ChildError of another state": (lambda: raises(ChildError("great", "fine")), "crashed", "'great': fine"),
    "ChildError without a state": (stateless, "crashed", "it failed with state None"),
    "None": (lambda: None, "crashed", "its evaluator returned None; expected a Measurement"),
    "text": (lambda: "0.5", "crashed", "its evaluator returned '0.5'; expected a Measurement, or a number"),
    "True": (lambda: True, "crashed", "its evaluator returned True"),
    "an infinite number": (lambda: np.inf, "nan", "quality inf; expected finite numbers"),
    "unreadable": (lambda: Unreadable(0.5), "crashed", "RuntimeError: no seconds"),
    "parameters of 2**70": (lambda: replace(GOOD, parameters=2**70), "crashed", "parameters is 1180591620717411303424"),
    "parameters of 10**5000": (lambda: replace(GOOD, parameters=10**5000), "crashed", "parameters is int"),
    "parameters of 10.5": (lambda: replace(GOOD, parameters=10.5), "crashed", "parameters is 10.5; expected a whole"),
    "parameters as text": (lambda: replace(GOOD, parameters="many"), "crashed", "parameters is 'many'"),
    "negative madds": (lambda: replace(GOOD, madds=-1), "crashed", "madds is -1"),
    "epochs of True": (lambda: replace(GOOD, epochs=True), "crashed", "epochs is True"),
    "seconds of NaN": (lambda: replace(GOOD, seconds=np.nan), "crashed", "seconds is nan"),
    "negative latency": (lambda: replace(GOOD, latency=-1.0), "crashed", "latency is -1.0"),
    "quality of None": (lambda: replace(GOOD, quality=None), "crashed", "accuracy is None; expected a number"),
    "quality as text": (lambda: replace(GOOD, quality="0.5"), "crashed", "accuracy is '0.5'"),
    "quality of True": (lambda: replace(GOOD, quality=True), "crashed", "accuracy is True"),
    "quality of NaN": (lambda: replace(GOOD, quality=np.nan), "nan", "accuracy nan; expected finite numbers"),
    "quality of 10**400": (lambda: replace(GOOD, quality=10**400), "nan", "accuracy inf"),
    "quality without name of NaN": (lambda: Measurement(np.nan), "nan", "quality nan"),
    "loss of infinity": (lambda: Measurement.of({"accuracy": 0.5, "loss": np.inf}), "nan", "loss inf"),
    "curve of NaN": (lambda: replace(GOOD, curve=(0.1, np.nan)), "nan", "accuracy after epoch 2 nan"),
    "curve of text": (lambda: replace(GOOD, curve="ab"), "crashed", "its curve is 'ab'"),
    "metrics of text": (lambda: Measurement(0.5, {"accuracy": "good"}), "crashed", "accuracy is 'good'"),
    "a metric without a name": (lambda: Measurement(0.5, {"": 0.5}), "crashed", "a metric is named ''"),
    "a metric named 3": (lambda: Measurement(0.5, {3: 0.5}), "crashed", "a metric is named 3"),
    "a metric with a story": (lambda: Measurement(0.5, {"x" * 10**7: 0.5}), "crashed", "a metric is named 'xxxxx"),
    "a list of metrics": (lambda: Measurement(0.5, [0.5]), "crashed", "its metrics are [0.5]"),
}
"""What a child says -> how, the state that it ends in, and a part of its reason."""
ODD_TRUTHS: dict[str, tuple[Callable[[], Any], Measurement]] = {
    "a number alone": (lambda: 0.5, Measurement(0.5)),
    "NumPy's number alone": (lambda: np.float32(0.5), Measurement(0.5)),
    "NumPy's numbers": (
        lambda: Measurement(
            np.float32(0.5), {"accuracy": np.float32(0.5), "loss": np.int64(2)}, np.int32(7), np.int64(8),
            curve=(np.float32(0.5),),
        ),
        Measurement(0.5, {"accuracy": 0.5, "loss": 2.0}, 7, 8, curve=(0.5,)),
    ),
    "hostile names": (
        lambda: Measurement(0.5, {"'); DROP TABLE trials;--\n\x1b[2J/\ud800": 0.5}),
        Measurement(0.5, {r"'); DROP TABLE trials;--\n\x1b[2J/\ud800": 0.5}),
    ),
}  # fmt: skip
"""What a child says -> how, and the measurement that it is."""
NAMES = (*LIES, *ODD_TRUTHS)


def make() -> Evaluator:
    """An evaluator of the children above."""

    def evaluate(job: Job) -> Measurement:
        name = NAMES[job.architecture[0]] if job.architecture[0] < len(NAMES) else None
        return GOOD if name is None else {**LIES, **ODD_TRUTHS}[name][0]()

    return evaluate
