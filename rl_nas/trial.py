"""What is known of one child: the job, its measurement, the trial."""

import enum
from dataclasses import dataclass

import numpy as np

from rl_nas.spaces.decisions import Architecture


class TrialState(enum.StrEnum):
    """How a child ended."""

    OK = "ok"
    INVALID = "invalid"  # cannot be built
    NAN = "nan"  # its loss or accuracy is not finite
    OOM = "oom"  # ran out of memory
    CRASHED = "crashed"  # anything else that it raised


@dataclass(frozen=True)
class Job:
    """A child to evaluate.

    Attributes:
        index: number of the trial in the run, from 0.
        architecture: what to build.
        seed: everything random in the child is a function of it.
    """

    index: int
    architecture: Architecture
    seed: int


@dataclass(frozen=True)
class Measurement:
    """What an evaluator measured of one child.

    Attributes:
        accuracy: top-1 on images held out of the training split, 0 to 1.
        loss: mean cross-entropy on the same images, nats.
        parameters: trainable parameters.
        madds: multiply-adds of one image's forward pass.
        epochs: passes over the training images.
        seconds: wall time, building and tracing included.
        latency: median wall time of one image's forward pass, seconds; None unless the reward needs it.
    """

    accuracy: float
    loss: float
    parameters: int
    madds: int
    epochs: int
    seconds: float
    latency: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended: a measurement, or a failure and its reason in one line."""

    job: Job
    state: TrialState
    measurement: Measurement | None = None
    error: str = ""


@dataclass(frozen=True)
class Trial:
    """A finished child. Never changes.

    Attributes:
        index: number in the run, from 0.
        architecture: what was built.
        state: how it ended.
        reward: what the strategy learns from; None unless the state is ok.
        measurement: None unless the state is ok.
        error: the reason of a failure, one line.
        cached: it was not evaluated now: an earlier trial had the same network, whose number and outcome it has.
    """

    index: int
    architecture: Architecture
    state: TrialState
    reward: float | None = None
    measurement: Measurement | None = None
    error: str = ""
    cached: bool = False

    def __post_init__(self) -> None:
        if (self.state is TrialState.OK) != (self.reward is not None and self.measurement is not None):
            raise ValueError(f"trial {self.index} is {self.state} with reward {self.reward}")


def child_seed(run_seed: int, index: int) -> int:
    """Seed of a child, a function of the run's seed and of the trial's number."""
    return int(np.random.SeedSequence([run_seed, index]).generate_state(1)[0])
