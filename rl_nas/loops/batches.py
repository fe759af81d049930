"""The batches of proposals whose children are evaluated."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from rl_nas.checkpoint import REBUILD, Checkpoint, OutdatedStateError, restoring
from rl_nas.errors import UsageError
from rl_nas.loops.updates import Updates, tell_of_rebuilding
from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies import Strategy
from rl_nas.trial import Job, Trial, child_seed


class Store(Protocol):
    """Keeps finished trials."""

    def recall(self, jobs: Sequence[Job]) -> dict[int, Trial]:
        """The recorded trials among these jobs, by index."""

    def record(self, trial: Trial) -> None:
        """Saves a finished trial durably before it returns."""

    def trials(self) -> Sequence[Trial]:
        """All recorded trials, in the order of their numbers."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Saves a checkpoint durably, replacing the last one."""

    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint."""


class _Batch(NamedTuple):
    """Proposals that are learned from together.

    Attributes:
        names: their canonical keys.
        architectures: of them.
        jobs: of those whose networks are new, as far as the budget allows.
        whole: whether it allows all of them.
    """

    names: list[str]
    architectures: list[Architecture]
    jobs: list[Job]
    whole: bool


class Batches:
    """Proposes batches, and shows their trials to the strategy, both in their order.

    Args:
        strategy: proposes and learns; fresh.
        store: of the trials; a search that it has a part of is continued.
        updates: of the strategy.
        trials: total number of children.
        size: proposals of a batch.
        most: batches in flight.
        seed: of the children's.
        key: equal for architectures of the same network.

    Raises:
        UsageError: the checkpoint cannot be restored, or knows trials that are not recorded.
    """

    def __init__(
        self,
        strategy: Strategy,
        store: Store,
        updates: Updates,
        trials: int,
        size: int,
        most: int,
        seed: int,
        key: Callable[[Architecture], str],
    ) -> None:
        self._strategy, self._store, self._updates = strategy, store, updates
        self._trials, self._size, self._most, self._seed, self._key = trials, size, most, seed, key
        self._flying: deque[_Batch] = deque()
        self._queue: deque[Job] = deque()
        self._finished: dict[int, Trial] = {}  # trials of batches in flight
        self._collapsed = False
        recorded = store.trials()
        self._recorded = len(recorded)
        self._known, waiting = self._restored(recorded)
        self._planned = len(self._known)
        for architectures in waiting:
            self._add(architectures)
        self._propose()
        self._learn()

    @property
    def unfinished(self) -> bool:
        """Whether children are left to be evaluated."""
        return bool(self._flying) and not self._collapsed

    def jobs(self) -> Iterator[Job | None]:
        """Jobs in their order; None where the next depend on children that are at work, of which a worker is free.

        Ends where a single batch is in flight and its jobs are given: they are compared as a whole by some executors.
        """
        while self.unfinished:
            if self._queue:
                yield self._queue.popleft()
            elif self._most > 1:
                yield None
            else:
                return

    def arrive(self, trial: Trial) -> None:
        """Adds the trial of a job; lets the strategy learn and propose as far as trials have arrived."""
        self._finished[trial.index] = trial
        self._learn()

    def _propose(self) -> None:
        # A whole batch is proposed even if fewer fit: a run that is extended later sees the same proposals.
        while self._planned < self._trials and len(self._flying) < self._most:
            self._add(self._strategy.propose(self._size))

    def _add(self, architectures: Sequence[Architecture]) -> None:
        """Makes jobs of the new networks among proposals; those that are recorded have arrived."""
        names = [self._key(architecture) for architecture in architectures]
        known = self._known.keys() | {name for batch in self._flying for name in batch.names}
        new: dict[str, Architecture] = {}
        for name, architecture in zip(names, architectures, strict=True):
            if name not in known:
                new.setdefault(name, architecture)
        numbered = list(enumerate(new.values(), self._planned))[: self._trials - self._planned]
        jobs = [Job(index, architecture, child_seed(self._seed, index)) for index, architecture in numbered]
        self._planned += len(jobs)
        self._flying.append(_Batch(names, list(architectures), jobs, len(jobs) == len(new)))
        self._finished |= self._store.recall(jobs)
        self._queue.extend(job for job in jobs if job.index not in self._finished)

    def _learn(self) -> None:
        """Shows the strategy the batches that are complete, each before another one is proposed."""
        while self.unfinished and all(job.index in self._finished for job in self._flying[0].jobs):
            batch = self._flying.popleft()
            observed = list(self._observed(batch))
            shown = len(self._known) >= self._recorded
            self._collapsed = not self._updates.learn(observed, batch.names, len(batch.jobs), shown=shown)
            # Not after a batch that the budget has cut, or has kept back: an extended run continues before it.
            if batch.whole and len(self._flying) == self._most - 1 and not self._collapsed:
                waiting = [waits.architectures for waits in self._flying]
                known = len(self._known)
                self._updates.save(known, spare=known < self._trials, batches=waiting)
            if not self._collapsed:
                self._propose()

    def _observed(self, batch: _Batch) -> Iterator[Trial]:
        """The trials of a batch in its order: those of its jobs, and the earlier ones of known networks."""
        fresh = {self._key(job.architecture): self._finished.pop(job.index) for job in batch.jobs}
        self._known |= fresh
        for name, architecture in zip(batch.names, batch.architectures, strict=True):
            if name in fresh:
                yield fresh.pop(name)
            elif name in self._known:  # otherwise the budget ended before it
                yield replace(self._known[name], architecture=architecture, cached=True)

    def _restored(self, recorded: Sequence[Trial]) -> tuple[dict[str, Trial], list[list[Architecture]]]:
        """Restores the strategy; returns the trials that it knows by canonical key, and the batches in flight."""
        checkpoint = self._store.checkpoint()
        try:
            known, waiting = self._known_by(checkpoint, recorded)
        except OutdatedStateError:
            known, waiting = [trial for number, trial in enumerate(recorded) if trial.index == number], []
            tell_of_rebuilding(self._strategy, len(known))
            self._updates.learn_again(known, [self._key(trial.architecture) for trial in known], self._size)
        return {self._key(trial.architecture): trial for trial in known}, waiting

    def _known_by(
        self, checkpoint: Checkpoint | None, recorded: Sequence[Trial]
    ) -> tuple[list[Trial], list[list[Architecture]]]:
        """What a checkpoint knows; all trials are learned from again if there is none."""
        count = self._updates.restore(checkpoint)
        known = list(recorded[:count])
        if [trial.index for trial in known] != list(range(count)):
            raise UsageError(
                f"the checkpoint in trials.sqlite knows {count} trials, not all of which are there; {REBUILD}"
            )
        if checkpoint is None or not count:
            return known, []
        with restoring("the checkpoint in trials.sqlite"):
            flying = checkpoint.state.get("batches", [])
            return known, [[tuple(architecture) for architecture in batch] for batch in flying]
