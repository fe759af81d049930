"""The search loop for large clusters: no worker waits for a child of another one."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from rl_nas.checkpoint import OutdatedStateError, restoring
from rl_nas.errors import UsageError
from rl_nas.execution import Executor
from rl_nas.loops.batches import Store
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.ordered import end, finish
from rl_nas.loops.stopping import never
from rl_nas.loops.updates import Updates, Watcher, tell_of_rebuilding
from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies import Resumable, Strategy
from rl_nas.strategies.failures import FailureRule, worst
from rl_nas.strategies.health import HealthSettings
from rl_nas.trial import Job, Reward, Trial, child_seed


def search_async(
    strategy: Strategy,
    executor: Executor,
    store: Store,
    *,
    reward: Reward,
    trials: int,
    batch_size: int,
    seed: int,
    key: Callable[[Architecture], str] = str,
    health: HealthSettings = HealthSettings(),
    failures: FailureRule = worst,
    watcher: Watcher = Watcher(),
    stop: Callable[[], bool] = never,
) -> FinishedSearch:
    """Runs a search that gives a free worker a new proposal at once; the strategy learns from the arrived trials.

    Arguments, result and errors are those of `search`; there is an update for every `batch_size` trials that arrive.
    Proposals depend on how long children take. A run is continued from its last checkpoint, with the proposals in
    flight then. Without a checkpoint the strategy is shown the recorded trials as if they were of its proposals; what
    it then proposes is not what it would have without the break.

    Raises:
        UsageError: the run has trials, but its strategy has no state to go on from.
    """
    updates = Updates(strategy, store, health, failures, watcher)
    flight = _InFlight(strategy, store, updates, trials, batch_size, seed, key, stop)
    while flight.goes_on:
        for outcome in executor.run(flight.jobs()):
            trial = finish(outcome, reward)
            store.record(trial)
            watcher.trial(trial, updates.figures())
            flight.arrive(trial)
    return end(store, watcher)


class _InFlight:
    """The proposals in flight."""

    def __init__(
        self,
        strategy: Strategy,
        store: Store,
        updates: Updates,
        trials: int,
        batch_size: int,
        seed: int,
        key: Callable[[Architecture], str],
        stop: Callable[[], bool],
    ) -> None:
        self._stop = stop
        self._strategy, self._updates = strategy, updates
        self._trials, self._batch_size, self._seed, self._key = trials, batch_size, seed, key
        self._collapsed = False
        self._arrived: list[Trial] = []
        self._names: list[str] = []  # proposed since the last update
        self._new = 0  # of these
        checkpoint = store.checkpoint()
        recorded = {trial.index: trial for trial in store.trials()}
        if recorded and not isinstance(strategy, Resumable):
            raise UsageError(f"{type(strategy).__name__} has no state to go on from; leave --async_updates out")
        try:
            self._planned = updates.restore(checkpoint)
        except OutdatedStateError:
            tell_of_rebuilding(strategy, len(recorded))
            self._planned, checkpoint = 0, None
        with restoring("the checkpoint in trials.sqlite"):
            waiting = checkpoint.state.get("flying", []) if checkpoint else []
            repeats = checkpoint.state.get("repeats", []) if checkpoint else []
            self._flying = {int(index): tuple(architecture) for index, architecture in waiting}
            self._flying_names = {key(architecture) for architecture in self._flying.values()}
            self._repeats = [tuple(architecture) for architecture in repeats]
            # Numbers of children that were on their way when the state was lost; the next proposals get them.
            self._free: list[int] = checkpoint.state.get("free", []) if checkpoint else []
        waits = {*self._flying, *self._free}
        arrived = [t for t in recorded.values() if t.index < self._planned and t.index not in waits]
        self._known = {key(trial.architecture): trial for trial in arrived}
        if checkpoint is None and len(recorded) > batch_size:  # there was a checkpoint: it was saved with every batch
            self._rebuild(recorded)
        else:
            self._continue(recorded)

    @property
    def goes_on(self) -> bool:
        """Whether any work is left."""
        return not self._collapsed and (self._left or bool(self._flying)) and not self._stop()

    @property
    def _left(self) -> bool:
        """Whether trials are left to be proposed."""
        return bool(self._free) or self._planned < self._trials

    def jobs(self) -> Iterator[Job]:
        """Jobs, proposed on demand; ends when every further proposal is known or in flight."""
        for index, architecture in sorted(self._flying.items()):
            if self._stop():
                return
            yield self._job(index, architecture)
        vain = 0
        while not self._collapsed and self._left and vain < self._batch_size and not self._stop():
            job = self._propose()
            vain = 0 if job else vain + 1
            if job:
                yield job

    def arrive(self, trial: Trial) -> None:
        """Adds a trial; lets the strategy learn when there are enough."""
        name = self._key(trial.architecture)
        del self._flying[trial.index]
        self._flying_names.remove(name)
        self._known[name] = trial
        self._arrived.append(trial)
        again = [architecture for architecture in self._repeats if self._key(architecture) == name]
        self._repeats = [architecture for architecture in self._repeats if architecture not in again]
        for architecture in again:
            self._arrived.append(replace(trial, architecture=architecture, cached=True))
        self._learn()

    def _rebuild(self, recorded: dict[int, Trial]) -> None:
        """Goes on from the trials alone; what was on its way gets new proposals."""
        trials = list(recorded.values())
        names = [self._key(trial.architecture) for trial in trials]
        self._known |= zip(names, trials, strict=True)
        self._collapsed |= not self._updates.learn_again(trials, names, self._batch_size)
        self._planned = trials[-1].index + 1
        self._free = [index for index in range(self._planned) if index not in recorded]
        self._save()

    def _continue(self, recorded: dict[int, Trial]) -> None:
        """Repeats the proposals made after the checkpoint, then adds their recorded trials."""
        last = max(recorded, default=-1)
        while not self._collapsed and (self._planned <= last or not recorded.keys().isdisjoint(self._free)):
            self._propose()
        for index in sorted(set(self._flying) & set(recorded)):
            self.arrive(recorded[index])

    def _propose(self) -> Job | None:
        """The job of the next proposal; None if its network is known or in flight."""
        (architecture,) = self._strategy.propose(1)
        name = self._key(architecture)
        self._names.append(name)
        if name in self._known:
            self._arrived.append(replace(self._known[name], architecture=architecture, cached=True))
            self._learn()
            return None
        if name in self._flying_names:
            self._repeats.append(architecture)
            return None
        index = self._free.pop(0) if self._free else self._planned
        self._planned = max(self._planned, index + 1)
        self._new += 1
        self._flying[index] = architecture
        self._flying_names.add(name)
        return self._job(index, architecture)

    def _job(self, index: int, architecture: Architecture) -> Job:
        return Job(index, architecture, child_seed(self._seed, index))

    def _learn(self) -> None:
        if len(self._arrived) < self._batch_size or self._collapsed:
            return
        trials, names, new = self._arrived, self._names, self._new
        self._arrived, self._names, self._new = [], [], 0
        self._collapsed = not self._updates.learn(trials, names, new)
        self._save()

    def _save(self) -> None:
        flying = list(self._flying.items())
        self._updates.save(self._planned, flying=flying, repeats=self._repeats, free=list(self._free))
