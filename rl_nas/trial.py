"""Records of one child: the job, its measurement, the trial; and the order of trials."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np

from rl_nas.metrics import check_names, quality_of
from rl_nas.spaces.decisions import Architecture

MOST_TRIALS = 10_000_000
"""Of a search."""


class TrialState(enum.StrEnum):
    """How a child ended."""

    OK = "ok"
    INVALID = "invalid"  # cannot be built
    OVER_LIMIT = "over_limit"  # costs more than a limit of the search allows; was not trained
    NAN = "nan"  # its loss or a metric is not finite
    OOM = "oom"  # ran out of memory
    TIMEOUT = "timeout"  # exceeded its time limit
    CRASHED = "crashed"  # a signal, or any other exception
    INTERRUPTED = "interrupted"  # its machine was lost


class ChildError(Exception):
    """A known failure of a child, raised by its evaluator; any other exception counts as a crash.

    Attributes:
        state: the kind of failure.
    """

    def __init__(self, state: TrialState, message: str) -> None:
        super().__init__(message)
        self.state = state


@dataclass(frozen=True)
class Job:
    """A child to evaluate.

    Attributes:
        index: number of the trial in the run, from 0.
        architecture: of the child.
        seed: everything random in the child is a function of it.
        thresholds: the quality that it must reach after its first, second, ... epoch to be trained on; -inf: any.
        epochs: number of epochs after which it is stopped; None: it gets the whole training.
    """

    index: int
    architecture: Architecture
    seed: int
    thresholds: tuple[float, ...] = ()
    epochs: int | None = None

    def until(self, epochs: int) -> "Job":
        """The same child, stopped after a number of epochs."""
        return replace(self, epochs=epochs)


@dataclass(frozen=True, order=True)
class ChildProgress:
    """How far a child is that is evaluated now.

    Attributes:
        index: number of the trial.
        done: finished steps, such as epochs.
        total: steps of the whole evaluation; 0 before the first one is finished, or if the child tells nothing.
    """

    index: int
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Measurement:
    """Measurement of one child by an evaluator; only the quality is required.

    Raises `UsageError` if a metric has the name of another figure of a trial.

    Attributes:
        quality: the metric of the task that rewards are computed from; higher is better.
        metrics: all figures of the task by name, the quality first; those with a slash are too many for a line.
        parameters: trainable parameters of the whole network.
        madds: multiply-adds of one image's forward pass, of the whole network.
        epochs: passes over the training images; fewer if the child was stopped.
        seconds: wall time, building and tracing included.
        latency: median wall time of one image's forward pass, seconds; without a backbone whose features are computed
            before; None unless the search asks for it.
        curve: quality after each epoch; empty unless children may be stopped by it.
        tflite_size: bytes of the network as a TFLite model in 32-bit floats; None unless the search asks for it.
        peak_memory: estimated bytes of activations that are held at once while one image is computed in 32-bit floats,
            layer by layer, without weights; likewise.
    """

    quality: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: int | None = None
    madds: int | None = None
    epochs: int | None = None
    seconds: float | None = None
    latency: float | None = None
    curve: tuple[float, ...] = ()
    tflite_size: int | None = None
    peak_memory: int | None = None

    @classmethod
    def of(cls, metrics: Mapping[str, float], **others: Any) -> Self:
        """A measurement whose quality is the first of the metrics."""
        return cls(quality_of(metrics).value, metrics, **others)

    def __post_init__(self) -> None:
        check_names("metric", self.metrics)

    @property
    def quality_name(self) -> str:
        """Name of the metric that is the quality."""
        return quality_of(self.metrics).name if self.metrics else "quality"


Reward = Callable[[Measurement], float]
"""Function that a strategy maximizes."""


@dataclass(frozen=True)
class Failure:
    """How an attempt at a child failed.

    Attributes:
        state: the kind; not ok.
        error: the reason, one line.
        log: the last lines that the child wrote.
    """

    state: TrialState
    error: str
    log: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: the request.
        measurement: None if all attempts failed.
        failures: the failed attempts, in order.
    """

    job: Job
    measurement: Measurement | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def state(self) -> TrialState:
        """How the last attempt ended."""
        return TrialState.OK if self.measurement is not None else self.failures[-1].state


@dataclass(frozen=True)
class Trial:
    """A finished child. Never changes.

    Attributes:
        index: number in the run, from 0.
        architecture: of the child.
        state: how it ended.
        reward: for the strategy; None unless the state is ok, or failures are given a reward.
        measurement: None unless the state is ok.
        failures: the failed attempts, in order; an ok child may have some.
        cached: whether it repeats the network, number and outcome of an earlier trial, without an evaluation.
    """

    index: int
    architecture: Architecture
    state: TrialState
    reward: float | None = None
    measurement: Measurement | None = None
    failures: tuple[Failure, ...] = ()
    cached: bool = False

    def __post_init__(self) -> None:
        ok = self.state is TrialState.OK
        if ok != (self.measurement is not None) or (ok and self.reward is None):
            raise ValueError(f"trial {self.index} is {self.state} with reward {self.reward}")

    @property
    def attempts(self) -> int:
        """Number of evaluations, failed ones included."""
        return len(self.failures) + (self.state is TrialState.OK)

    @property
    def error(self) -> str:
        """The reason of a failure, one line; empty when ok."""
        return "" if self.state is TrialState.OK or not self.failures else self.failures[-1].error


def measurement_document(measurement: Measurement) -> dict[str, Any]:
    """A measurement as flat JSON values."""
    document = asdict(measurement)
    return {"quality": document.pop("quality"), **document.pop("metrics"), **document}


def trial_document(trial: Trial) -> dict[str, Any]:
    """Everything known of a trial as JSON values, flat except for its failed attempts."""
    document = asdict(trial)
    for name in ("measurement", "cached", "failures"):
        document.pop(name)
    measured = measurement_document(trial.measurement) if trial.measurement else {}
    return {**document, **measured, "error": trial.error, "failures": [asdict(failure) for failure in trial.failures]}


def child_seed(run_seed: int, index: int) -> int:
    """Seed of a child, a function of the run's seed and of the trial's number."""
    return int(np.random.SeedSequence([run_seed, index]).generate_state(1)[0])


def best_first(trials: Sequence[Trial]) -> list[Trial]:
    """Trials by reward, of equals the earlier first; then the failed ones by number."""
    failed = [trial for trial in trials if trial.reward is None]
    return [*best_trials(trials, len(trials)), *sorted(failed, key=lambda trial: trial.index)]


def best_trials(trials: Sequence[Trial], count: int) -> list[Trial]:
    """The `count` best successful trials, best first, of equals the earlier first."""
    finished = [trial for trial in trials if trial.reward is not None]
    return sorted(finished, key=lambda trial: (-(trial.reward or 0.0), trial.index))[:count]
