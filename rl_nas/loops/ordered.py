"""The search loop: propose, evaluate, record, observe, in the order of the proposals."""

from collections.abc import Callable
from dataclasses import replace

from rl_nas.admission import failure_of, reward_of
from rl_nas.execution import Executor
from rl_nas.loops.batches import Batches, Store
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.stopping import Gate, never
from rl_nas.loops.updates import Updates, Watcher
from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies import Strategy
from rl_nas.strategies.failures import FailureRule, worst
from rl_nas.strategies.health import HealthSettings
from rl_nas.trial import ChildError, Outcome, Reward, Trial


def search(
    strategy: Strategy,
    executor: Executor,
    store: Store,
    *,
    reward: Reward,
    trials: int,
    batch_size: int,
    seed: int,
    batches_in_flight: int = 1,
    key: Callable[[Architecture], str] = str,
    health: HealthSettings = HealthSettings(),
    failures: FailureRule = worst,
    watcher: Watcher = Watcher(),
    stop: Callable[[], bool] = never,
) -> FinishedSearch:
    """Runs a search until `trials` children are recorded, or `stop` says so.

    A batch is proposed from the trials of all batches that are at least `batches_in_flight` earlier, in the order of
    their numbers, and of no others: the same seed gives the same trials with any number of workers, however long
    children take. A worker is idle only while a child of a batch that is so much earlier is evaluated.

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
        batches_in_flight: batches whose children may be evaluated at once; with 1, workers wait for the last child of
            each batch.
        key: equal for architectures of the same network; `SearchSpace.canonical_key`.
        health: when proposals count as collapsed, and what to do then.
        failures: what the strategy is shown of children that failed.
        watcher: told of every trial, update and collapse, and of the end.
        stop: whether no further child may begin, such as when a budget of time is spent; asked before the first child
            and whenever one has ended. Those that run then are recorded; another call goes on as if the search had not
            been stopped.

    Returns:
        The trials in the store, the best of them, and the failures by kind.

    Raises:
        UsageError: the strategy has no answer to a collapse, but `health` asks for one; the checkpoint cannot be
            restored, or knows trials that are not recorded.
    """
    updates = Updates(strategy, store, health, failures, watcher)
    batches = Batches(strategy, store, updates, trials, batch_size, batches_in_flight, seed, key)
    gate = Gate(stop)
    while batches.unfinished and not gate.closed:
        for outcome in executor.run(gate.let_in(batches.jobs())):
            trial = finish(outcome, reward)
            store.record(trial)
            watcher.trial(trial, updates.figures())
            gate.ask()
            batches.arrive(trial)
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
