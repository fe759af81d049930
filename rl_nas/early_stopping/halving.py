"""Successive halving: the better children of a batch are trained on, again and again."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from rl_nas.admission import reward_of
from rl_nas.execution import Executor
from rl_nas.trial import ChildError, Job, Outcome, Reward


class Decisions(Protocol):
    """Durable record of how the last batch ended."""

    def read(self) -> dict[int, int]:
        """Number of a trial -> its epochs."""

    def write(self, epochs: Mapping[int, int]) -> None:
        """Records the epochs of a batch durably, replacing those of the last one."""

    def forget(self, index: int) -> None:
        """Deletes the state of a trial that is recorded."""


class Rung(NamedTuple):
    """How far a batch is.

    Attributes:
        number: of the rung, from 1.
        rungs: of the batch.
        finished: children that have come to its end.
        children: that are trained to it.
    """

    number: int
    rungs: int
    finished: int
    children: int

    def __str__(self) -> str:
        return f"rung {self.number}/{self.rungs}: {self.finished}/{self.children} children"


class HalvingExecutor:
    """Trains all children of a batch for the epochs of the first rung, the best of them to the next one, and so on.

    Jamieson and Talwalkar 2016, section 3, in each batch of proposals. A child ends at the rung where it is not among
    the best; the last ones get the whole training. Children continue from the states that their evaluator keeps.
    Outcomes are yielded when the whole batch is decided, so that a resumed run decides like an uninterrupted one.

    Args:
        executor: runs the children, and repeats them where they fail.
        rungs: epochs of each rung, growing; the last is the whole training.
        factor: one child in `factor` reaches the next rung.
        reward: to compare children by.
        decisions: of the last batch.
        on_rung: called while a batch is decided, with every child; with None when it is.
    """

    def __init__(
        self,
        executor: Executor,
        rungs: Sequence[int],
        factor: float,
        reward: Reward,
        decisions: Decisions,
        on_rung: Callable[[Rung | None], None] = lambda rung: None,
    ) -> None:
        self._executor, self._rungs, self._factor = executor, rungs, factor
        self._reward, self._decisions, self._on_rung = reward, decisions, on_rung

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the outcomes in the order of their numbers."""
        batch = sorted(filter(None, jobs), key=lambda job: job.index)
        epochs, outcomes = self._decisions.read(), dict[int, Outcome]()
        if not all(job.index in epochs for job in batch):
            epochs, outcomes = self._compete(batch)
            self._decisions.write(epochs)
            self._on_rung(None)
        unknown = [job.until(epochs[job.index]) for job in batch if job.index not in outcomes]
        outcomes |= {outcome.job.index: outcome for outcome in self._executor.run(unknown)}
        for job in batch:
            yield outcomes[job.index]
            self._decisions.forget(job.index)

    def _compete(self, batch: Sequence[Job]) -> tuple[dict[int, int], dict[int, Outcome]]:
        """Runs the competition; returns the epochs and the outcome of each child."""
        reached: dict[int, int] = {}
        outcomes: dict[int, Outcome] = {}
        left = list(batch)
        for number, epochs in enumerate(self._rungs, start=1):
            reached |= {job.index: epochs for job in left}
            self._on_rung(Rung(number, len(self._rungs), 0, len(left)))
            trained = self._executor.run([job.until(epochs) for job in left])
            for finished, outcome in enumerate(trained, start=1):
                outcomes[outcome.job.index] = outcome
                self._on_rung(Rung(number, len(self._rungs), finished, len(left)))
            values = {job.index: self._value(outcomes[job.index]) for job in left}
            best_first = sorted(left, key=lambda job: (-values[job.index], job.index))
            succeeded = [job for job in best_first if values[job.index] > -math.inf]
            left = succeeded[: math.ceil(len(left) / self._factor)]
        return reached, outcomes

    def _value(self, outcome: Outcome) -> float:
        """The reward; -inf of a child that failed, or has none."""
        try:
            return -math.inf if outcome.measurement is None else reward_of(outcome.measurement, self._reward)
        except ChildError:
            return -math.inf
