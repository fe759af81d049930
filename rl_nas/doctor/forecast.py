"""What a search will take, from what a few of its children and its strategy took. No TensorFlow."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ChildForecast:
    """What the evaluation of a child will take.

    Attributes:
        name: small, typical or large.
        madds: multiply-adds of an image.
        parameters: that are trained.
        seconds: of the whole evaluation.
        start: seconds before its second train step.
        step: seconds of a train step.
        memory: bytes that its worker holds at most.
    """

    name: str
    madds: int
    parameters: int
    seconds: float
    start: float
    step: float
    memory: int

    @property
    def disk(self) -> int:
        """Bytes of its weights, which are kept of the best children."""
        return 4 * self.parameters


@dataclass(frozen=True)
class SearchForecast:
    """What a search will take.

    Attributes:
        children: seconds of all children together: device seconds.
        evaluating: seconds from the first child to the last, with workers that wait for others.
        workers: children at a time.
        disk: bytes of the run folder.
        memory: bytes of this process and its workers, all with large children.
        begin: seconds of the start.
        shared: seconds in which shared weights are trained, the strategy beside them, and networks ranked by them.
        strategy: seconds of the strategy's proposals and updates, but for those beside shared weights.
        end: seconds in which the best network is exported.
    """

    children: float
    evaluating: float
    workers: int
    disk: int
    memory: int
    begin: float = 0.0
    shared: float = 0.0
    strategy: float = 0.0
    end: float = 0.0

    @property
    def seconds(self) -> float:
        """Of the whole search."""
        return self.begin + self.shared + self.strategy + self.evaluating + self.end

    @property
    def busy(self) -> float:
        """Fraction of the workers' time that is spent on children, from the first to the last."""
        return self.children / (self.evaluating * self.workers) if self.evaluating else 1.0

    def children_within(self, seconds: float, count: int) -> int:
        """How many children a search of so many seconds has, by this forecast of one of `count` children."""
        each = (self.evaluating + self.strategy) / count
        return max(0, int((seconds - self.begin - self.shared - self.end) / each))


def child_seconds(measured: Sequence[ChildForecast], madds: Sequence[int], seeds: int = 1) -> np.ndarray:
    """Seconds of children by their multiply-adds, interpolated between those that were measured: float64 [children].

    Args:
        measured: at least one.
        madds: of the children.
        seeds: trainings of each child.
    """
    ordered = sorted(measured, key=lambda child: child.madds)
    seconds = np.interp(madds, [child.madds for child in ordered], [child.seconds for child in ordered])
    return np.asarray(seeds * seconds, np.float64)


def evaluation_seconds(
    children: Sequence[float], workers: int, batch: int | None = None, batches_in_flight: int = 1
) -> float:
    """Seconds until the last of some children has ended; each is given to the worker that is free first.

    Args:
        children: seconds of each, in the order of their proposals.
        workers: children at a time.
        batch: children that are proposed together; None: workers never wait for each other.
        batches_in_flight: how much later than a batch those are that wait for all of its children.
    """
    size = batch or max(1, len(children))
    free, ended = [0.0] * workers, [0.0] * batches_in_flight
    for start in range(0, len(children), size):
        ready = ended[-batches_in_flight]
        ends = [_give(free, ready, seconds) for seconds in children[start : start + size]]
        ended.append(max(ended[-1], *ends))
    return ended[-1]


def _give(free: list[float], ready: float, seconds: float) -> float:
    """Gives a child to the worker that is free first; returns its end."""
    end = max(free[0], ready) + seconds
    heapq.heapreplace(free, end)
    return end
