"""The search loop: propose, evaluate, record, observe."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from rl_nas.admission import failure_of, reward_of
from rl_nas.checkpoint import REBUILD, Checkpoint, OutdatedStateError
from rl_nas.errors import UsageError
from rl_nas.execution import Executor
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.stopping import Gate, never
from rl_nas.loops.updates import Updates, Watcher, tell_of_rebuilding
from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies import Strategy
from rl_nas.strategies.failures import FailureRule, worst
from rl_nas.strategies.health import HealthSettings
from rl_nas.trial import ChildError, Job, Outcome, Reward, Trial, child_seed


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


def search(
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
    """Runs a search until `trials` children are recorded, or `stop` says so.

    A network that was evaluated before is not evaluated again, and does not count: the strategy is shown its
    trial. Trials that the store already holds are not evaluated again either: calling this with the store of
    an interrupted run continues it, with the proposals of an uninterrupted run: from its last checkpoint if the
    strategy is `Resumable`, otherwise by showing it all trials again.

    Args:
        strategy: proposes architectures and learns; fresh, also if a run is continued.
        executor: evaluates them.
        store: keeps the trials.
        reward: what the strategy maximizes.
        trials: total number of children, those of earlier calls included.
        batch_size: proposals between two updates of the strategy.
        seed: the children's seeds are a function of it and of their number.
        key: equal for architectures of the same network; `SearchSpace.canonical_key`.
        health: when proposals count as collapsed, and what to do then.
        failures: what the strategy is shown of children that failed.
        watcher: told of every trial, update and collapse, and of the end.
        stop: whether no further child may begin, such as when a budget of time is spent; asked before the first child
            of a batch and whenever one has ended. Those that run then are recorded; another call goes on as if the
            search had not been stopped.

    Returns:
        The trials in the store, the best of them, and the failures by kind.

    Raises:
        UsageError: the strategy has no answer to a collapse, but `health` asks for one; the checkpoint cannot be
            restored, or knows trials that are not recorded.
    """
    updates, recorded = Updates(strategy, store, health, failures, watcher), store.trials()
    known = _restored(updates, strategy, store.checkpoint(), recorded, key, batch_size)
    while len(known) < trials:
        # A whole batch is proposed even if fewer fit: a run that is extended later sees the same proposals.
        batch = [(key(architecture), architecture) for architecture in strategy.propose(batch_size)]
        jobs = _new_jobs(batch, known, trials, seed)
        finished = store.recall(jobs)
        left, gate = [job for job in jobs if job.index not in finished], Gate(stop)
        if left and gate.closed:
            break
        for outcome in executor.run(gate.let_in(left)):
            trial = finish(outcome, reward)
            store.record(trial)
            finished[trial.index] = trial
            watcher.trial(trial, updates.figures())
            gate.ask()
        if len(finished) < len(jobs):
            break  # stopped in the batch, which is proposed again when the run is continued
        known |= {key(job.architecture): finished[job.index] for job in jobs}
        observed, names = list(_observed(batch, known, jobs)), [name for name, _ in batch]
        if not updates.learn(observed, names, len(jobs), shown=len(known) >= len(recorded)):
            break
        if all(name in known for name in names):
            # Not after a batch that the budget has cut: an extended run continues before it.
            updates.save(len(known), spare=len(known) < trials)
    return end(store, watcher)


def end(store: Store, watcher: Watcher) -> FinishedSearch:
    """What a search that has ended leaves; the watcher is told."""
    finished = FinishedSearch(tuple(store.trials()))
    watcher.end(finished)
    return finished


def finish(outcome: Outcome, reward: Reward) -> Trial:
    """The trial of an outcome; a failed one, if the reward is none that a strategy can learn from."""
    job, value = outcome.job, None
    if outcome.measurement is not None:
        try:
            value = reward_of(outcome.measurement, reward)
        except ChildError as error:
            outcome = replace(outcome, measurement=None, failures=(*outcome.failures, failure_of(error)))
    return Trial(job.index, job.architecture, outcome.state, value, outcome.measurement, outcome.failures)


def _restored(
    updates: Updates,
    strategy: Strategy,
    checkpoint: Checkpoint | None,
    recorded: Sequence[Trial],
    key: Callable[[Architecture], str],
    batch_size: int,
) -> dict[str, Trial]:
    """The trials that the strategy knows from its checkpoint by canonical key; all, if it is of an earlier version."""
    try:
        known = _known(recorded, updates.restore(checkpoint))
    except OutdatedStateError:
        known = [trial for number, trial in enumerate(recorded) if trial.index == number]
        tell_of_rebuilding(strategy, len(known))
        updates.learn_again(known, [key(trial.architecture) for trial in known], batch_size)
    return {key(trial.architecture): trial for trial in known}


def _known(recorded: Sequence[Trial], count: int) -> Sequence[Trial]:
    """The first `count` trials; raises `UsageError` if not all of them are recorded."""
    known = recorded[:count]
    if [trial.index for trial in known] != list(range(count)):
        raise UsageError(f"the checkpoint in trials.sqlite knows {count} trials, not all of which are there; {REBUILD}")
    return known


def _new_jobs(
    batch: Sequence[tuple[str, Architecture]], known: Mapping[str, Trial], trials: int, seed: int
) -> list[Job]:
    """A job for each unknown network, within the budget."""
    new: dict[str, Architecture] = {}
    for name, architecture in batch:
        if name not in known:
            new.setdefault(name, architecture)
    numbered = list(enumerate(new.values(), len(known)))[: trials - len(known)]
    return [Job(index, architecture, child_seed(seed, index)) for index, architecture in numbered]


def _observed(
    batch: Sequence[tuple[str, Architecture]], known: Mapping[str, Trial], jobs: Sequence[Job]
) -> Iterator[Trial]:
    """The trials of a batch in its order: those of its jobs, and the earlier ones of known networks."""
    fresh = {job.index for job in jobs}
    for name, architecture in batch:
        if name not in known:
            continue  # the budget ended before it
        trial = known[name]
        if trial.index in fresh:
            fresh.remove(trial.index)
            yield trial
        else:
            yield replace(trial, architecture=architecture, cached=True)
